package centrifuge

import (
	"context"
	"errors"

	"belfry/hub"
	"belfry/web/fault"
)

var (
	errNoPresence    = fault.New(fault.NotAvailable, "not available: the rule of this channel has no presence")
	errPresenceLimit = fault.New(fault.Limit, "limit exceeded: so many are here that their names alone do not fit into one answer (limits.buffer); presence_stats counts them")
)

// PresenceResult is who is on a channel.
type PresenceResult struct {
	Presence map[string]ClientInfo `json:"presence"` // by client ID
	// WithoutInfo is of how many the conn_info and chan_info are left out, because
	// the answer would be too large. It is no field of the protocol.
	WithoutInfo int `json:"without_info,omitempty"`
}

// PresenceStatsResult is how many are on a channel.
type PresenceStatsResult struct {
	NumClients int `json:"num_clients"`
	NumUsers   int `json:"num_users"`
}

// Presence tells a client or a backend that may who is on a channel with this rule,
// over all nodes, in about so many bytes: all of them, but the infos only of as many as
// fit. Errors are errNoPresence, errPresenceLimit, and those of the hub.
func (s *Server) Presence(ctx context.Context, rule *hub.Rule, channel string, bytes int) (*PresenceResult, error) {
	if !rule.Presence {
		return nil, errNoPresence
	}
	there, err := s.hub.Presence(ctx, channel, bytes)
	switch {
	case errors.Is(err, hub.ErrPresenceSize):
		return nil, errPresenceLimit
	case err != nil:
		return nil, err
	}
	r := &PresenceResult{make(map[string]ClientInfo, len(there.Clients)), there.WithoutInfo}
	for _, c := range there.Clients {
		r.Presence[c.Client] = newClientInfo(c)
	}
	return r, nil
}

// PresenceStats counts them. All who are anonymous are one user.
func (s *Server) PresenceStats(ctx context.Context, rule *hub.Rule, channel string) (*PresenceStatsResult, error) {
	if !rule.Presence {
		return nil, errNoPresence
	}
	stats, err := s.hub.PresenceStats(ctx, channel)
	if err != nil {
		return nil, err
	}
	return &PresenceStatsResult{stats.Clients, stats.Users}, nil
}
