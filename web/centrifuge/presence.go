package centrifuge

import (
	"context"

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

// newPresenceResult words who is on a channel in about so many bytes: all of them,
// but the infos only of as many as fit. It returns nil when there is no room even
// for all names.
func newPresenceResult(clients []hub.ClientInfo, bytes int) *PresenceResult {
	const names = 60 // of the fields, with the signs around them
	for _, c := range clients {
		bytes -= names + 2*len(c.Client) + len(c.User)
	}
	if bytes < 0 {
		return nil
	}
	r := &PresenceResult{Presence: make(map[string]ClientInfo, len(clients))}
	for _, c := range clients {
		info := newClientInfo(c)
		if size := len(c.ConnInfo) + len(c.ChanInfo); size <= bytes {
			bytes -= size
		} else {
			info.ConnInfo, info.ChanInfo = nil, nil
			r.WithoutInfo++
		}
		r.Presence[c.Client] = info
	}
	return r
}

// Presence tells a client or a backend that may who is on a channel with this rule,
// over all nodes, in about so many bytes. Errors are errNoPresence, errPresenceLimit,
// and those of the hub.
func (s *Server) Presence(ctx context.Context, rule *hub.Rule, channel string, bytes int) (*PresenceResult, error) {
	if !rule.Presence {
		return nil, errNoPresence
	}
	clients, err := s.hub.Presence(ctx, channel)
	if err != nil {
		return nil, err
	}
	r := newPresenceResult(clients, bytes)
	if r == nil {
		return nil, errPresenceLimit
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
