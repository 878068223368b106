package api

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

// channelsRequest asks for channels by their names.
type channelsRequest struct {
	Pattern string `json:"pattern"` // * stands for any run of characters; empty: all channels
}

// channelResult is what there is to know of one channel.
type channelResult struct {
	NumClients int `json:"num_clients"` // subscriptions, over all nodes
}

// channels answers /api/channels: the channels that have subscribers, with
// how many over all nodes, as far as the key may use them. When a node does not answer, or has more to say than
// travels, there is no answer at all: a part would look like the whole.
func (a *API) channels(ctx context.Context, req *channelsRequest) (any, error) {
	if len(req.Pattern) > maxPattern {
		return nil, fault.Field("pattern", fmt.Sprintf("at most %d bytes are accepted", maxPattern))
	}
	nodes, err := askAll[map[string]int](ctx, a, callChannels, cmp.Or(req.Pattern, "*"))
	if err != nil {
		return nil, err
	}
	found := make(map[string]channelResult)
	for _, counts := range nodes {
		for name, n := range counts {
			if who(ctx).On(name) == nil {
				continue
			}
			found[name] = channelResult{found[name].NumClients + n}
		}
	}
	return map[string]any{"channels": found}, nil
}

// channelsHere counts the subscriptions of this node, by channel.
func (a *API) channelsHere(_ context.Context, pattern string) (map[string]int, error) {
	return a.Hub.Channels(pattern), nil
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

// info answers /api/info: all nodes, in the order of their names, or none.
func (a *API) info(ctx context.Context, _ *struct{}) (any, error) {
	nodes, err := askAll[nodeResult](ctx, a, callInfo, struct{}{})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(nodes, func(x, y nodeResult) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.UID, y.UID))
	})
	return map[string]any{"nodes": nodes}, nil
}

// infoHere describes this node.
func (a *API) infoHere(context.Context, struct{}) (nodeResult, error) {
	channels := a.Hub.Channels("*")
	r := nodeResult{
		UID: a.Hub.Node(), Name: a.Name, Version: a.Version,
		NumClients: a.Sessions.Len(), NumChannels: len(channels),
		Uptime: int(time.Since(a.started) / time.Second),
	}
	r.NumUsers = a.Sessions.NumUsers()
	for _, n := range channels {
		r.NumSubs += n
	}
	return r, nil
}
