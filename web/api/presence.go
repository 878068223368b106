package api

import (
	"context"

	"belfry/web/access"
	"belfry/web/centrifuge"
)

// presence answers /api/presence: everybody on a channel whose rule has presence,
// over all nodes; of very many not all infos, so that it stays within so many bytes.
func (a *API) presence(ctx context.Context, req *centrifuge.ChannelRequest, bytes int) (any, error) {
	rule, err := a.may(ctx, access.ReadPresence, req.Channel)
	if err != nil {
		return nil, err
	}
	return a.Centrifuge.Presence(ctx, rule, req.Channel, bytes)
}

// presenceStats answers /api/presence_stats: how many they are.
func (a *API) presenceStats(ctx context.Context, req *centrifuge.ChannelRequest) (any, error) {
	rule, err := a.may(ctx, access.ReadPresence, req.Channel)
	if err != nil {
		return nil, err
	}
	return a.Centrifuge.PresenceStats(ctx, rule, req.Channel)
}
