package main

import (
	"time"

	"belfry/cmd/internal/logs"
	"belfry/configs"
	"belfry/hub"
	"belfry/web"
)

// rules translates the rules of channels, in their order.
func rules(config configs.Config) hub.Rules {
	var rules hub.Rules
	for _, c := range config.Channels {
		r := hub.Rule{Match: c.Match, Presence: c.Presence}
		r.History = hub.History{Size: c.History.Size, TTL: time.Duration(c.History.TTL), Bytes: int(c.History.Bytes)}
		for _, who := range c.Publish {
			r.ServerPublish = r.ServerPublish || who == configs.Server
			r.ClientPublish = r.ClientPublish || who == configs.Client
		}
		rules = append(rules, r)
	}
	return rules
}

// logOptions translates how the log is written. Check has seen that there is such a
// level.
func logOptions(config configs.Config) logs.Options {
	o := logs.Options{JSON: config.Log.Format == configs.JSON}
	_ = o.Level.UnmarshalText([]byte(config.Log.Level))
	return o
}

// limits translates the limits of what comes from outside.
func limits(config configs.Config) web.Limits {
	l := config.Limits
	return web.Limits{
		Body: int64(l.Body), Message: int64(l.Message), Buffer: int(l.Buffer), Subscriptions: l.Subscriptions,
		Backlog: int64(l.Backlog), Unread: int(l.Unread),
		Connections: l.Connections, ConnectionsPerAddress: l.ConnectionsPerAddress, PublishRate: l.PublishRate,
	}
}

// kept translates the limits of what a node keeps for all clients together.
func kept(config configs.Config) hub.Limits {
	l := config.Limits
	return hub.Limits{Channels: l.Channels, History: int64(l.History), IdempotencyKeys: l.IdempotencyKeys}
}
