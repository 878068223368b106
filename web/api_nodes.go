package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"belfry/web/fault"
)

// maxPattern is the longest pattern of channel names in bytes.
const maxPattern = 255

type channelsRequest struct {
	Pattern string `json:"pattern"` // * stands for any run of characters; empty: all channels
}

type channelResult struct {
	NumClients int `json:"num_clients"`
}

// listChannels answers /api/channels: the channels that have subscribers, with
// how many over all nodes.
func (s *Server) listChannels(ctx context.Context, req *channelsRequest) (any, error) {
	if len(req.Pattern) > maxPattern {
		return nil, fault.Field("pattern", fmt.Sprintf("at most %d bytes are accepted", maxPattern))
	}
	nodes, err := askAll[map[string]int](ctx, s, callChannels, cmp.Or(req.Pattern, "*"))
	if err != nil {
		return nil, err
	}
	channels := make(map[string]channelResult)
	for _, counts := range nodes {
		for name, n := range counts {
			channels[name] = channelResult{channels[name].NumClients + n}
		}
	}
	return map[string]any{"channels": channels}, nil
}

func (s *Server) channelsHere(_ context.Context, pattern string) (map[string]int, error) {
	return s.hub.Channels(pattern), nil
}

// nodeResult is what there is to know of one node.
type nodeResult struct {
	UID         string `json:"uid"`
	Name        string `json:"name"`
	Version     string `json:"version"`
	NumClients  int    `json:"num_clients"`  // sessions
	NumUsers    int    `json:"num_users"`    // all who are anonymous count as one
	NumChannels int    `json:"num_channels"` // that have subscribers
	NumSubs     int    `json:"num_subs"`     // subscriptions
	Uptime      int    `json:"uptime"`       // seconds
}

// listNodes answers /api/info.
func (s *Server) listNodes(ctx context.Context, _ *struct{}) (any, error) {
	nodes, err := askAll[nodeResult](ctx, s, callInfo, struct{}{})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(nodes, func(a, b nodeResult) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
	return map[string]any{"nodes": nodes}, nil
}

func (s *Server) infoHere(context.Context, struct{}) (nodeResult, error) {
	channels := s.hub.Channels("*")
	r := nodeResult{
		UID: s.hub.Node(), Name: s.name, Version: s.version,
		NumClients: s.NumSessions(), NumChannels: len(channels),
		Uptime: int(time.Since(s.started) / time.Second),
	}
	r.NumUsers = min(r.NumClients, 1)
	for _, n := range channels {
		r.NumSubs += n
	}
	return r, nil
}
