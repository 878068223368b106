package main

import (
	"time"

	"belfry/cmd/internal/logs"
	"belfry/configs"
	"belfry/hub"
	"belfry/web"
)

// rules translates the rules of channels, in their order, with their defaults.
func rules(config configs.Config) hub.Rules {
	var rules hub.Rules
	for _, c := range config.InForce().Channels {
		r := hub.Rule{
			Match: c.Match, Presence: c.Presence.On, Subscribe: who(c.Subscribe), Publish: who(c.Publish),
			ReadHistory: who(c.History.Read), ReadPresence: who(c.Presence.Read),
		}
		r.ServerPublish, r.ClientPublish = r.Publish.Has(hub.WhoServer), r.Publish.Has(hub.WhoAnyone)
		r.History = hub.History{Size: c.History.Size, TTL: time.Duration(c.History.TTL), Bytes: int(c.History.Bytes)}
		rules = append(rules, r)
	}
	return rules
}

// who translates a list of who may do something.
func who(words []string) (all hub.Who) {
	for _, word := range words {
		if word == configs.Client {
			word = configs.Anyone
		}
		all |= hub.ParseWho(word)
	}
	return all
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
		UserConnections: l.UserConnections, Revocations: l.Revocations,
	}
}

// kept translates the limits of what a node keeps for all clients together.
func kept(config configs.Config) hub.Limits {
	l := config.Limits
	return hub.Limits{Channels: l.Channels, History: int64(l.History), IdempotencyKeys: l.IdempotencyKeys}
}
