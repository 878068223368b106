package centrifuge

import (
	"context"

	"belfry/hub"

	"belfry/web/fault"
)

var (
	errNoPresence    = fault.New(fault.NotAvailable, "not available: the rule of this channel has no presence")
	errPresenceLimit = fault.New(fault.Limit, "limit exceeded: so many are here that the answer is larger than limits.buffer; presence_stats counts them")
)

// PresenceResult is who is on a channel.
type PresenceResult struct {
	Presence map[string]ClientInfo `json:"presence"` // by client ID
}

// PresenceStatsResult is how many are on a channel.
type PresenceStatsResult struct {
	NumClients int `json:"num_clients"`
	NumUsers   int `json:"num_users"`
}

// size is about what the result has in bytes as JSON.
func (r *PresenceResult) size() (bytes int) {
	const names = 60 // of the fields, with the signs around them
	for id, c := range r.Presence {
		bytes += names + 2*len(id) + len(c.User) + len(c.ConnInfo) + len(c.ChanInfo)
	}
	return bytes
}

// Presence tells a client or a backend who is on a channel with this rule, over
// all nodes.
func (s *Server) Presence(ctx context.Context, rule *hub.Rule, channel string) (*PresenceResult, error) {
	if !rule.Presence {
		return nil, errNoPresence
	}
	clients, err := s.hub.Presence(ctx, channel)
	if err != nil {
		return nil, err
	}
	r := &PresenceResult{make(map[string]ClientInfo, len(clients))}
	for _, c := range clients {
		r.Presence[c.Client] = newClientInfo(c)
	}
	return r, nil
}

// PresenceStats counts them.
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
