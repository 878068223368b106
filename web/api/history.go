package api

import (
	"context"

	"belfry/web/access"
	"belfry/web/centrifuge"
)

// history answers /api/history, for a channel whose rule has a history, with up to
// 1,000 messages of so many bytes.
func (a *API) history(ctx context.Context, req *centrifuge.HistoryRequest, bytes int) (any, error) {
	rule, err := a.may(ctx, access.ReadHistory, req.Channel)
	if err != nil {
		return nil, err
	}
	return a.Centrifuge.History(ctx, rule, req, bytes)
}

// removeHistory answers /api/history_remove. Positions go on counting, and a
// client that comes back with an older one is told that it has missed something.
func (a *API) removeHistory(ctx context.Context, req *centrifuge.ChannelRequest) (any, error) {
	rule, err := a.may(ctx, access.ReadHistory, req.Channel)
	switch {
	case err != nil:
		return nil, err
	case rule.History.Size == 0:
		return nil, centrifuge.ErrNoHistory
	}
	return struct{}{}, a.Hub.RemoveHistory(ctx, req.Channel)
}
