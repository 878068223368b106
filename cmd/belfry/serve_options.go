package main

import (
	"time"

	"belfry/configs"
	"belfry/hub"
	"belfry/web"
)

// rules translates the rules of channels, in their order.
func rules(config configs.Config) hub.Rules {
	var rules hub.Rules
	for _, c := range config.Channels {
		r := hub.Rule{Match: c.Match, History: hub.History{Size: c.History.Size, TTL: time.Duration(c.History.TTL)}, Presence: c.Presence}
		for _, who := range c.Publish {
			r.ServerPublish = r.ServerPublish || who == configs.Server
			r.ClientPublish = r.ClientPublish || who == configs.Client
		}
		rules = append(rules, r)
	}
	return rules
}

// limits translates the limits of what comes from outside.
func limits(config configs.Config) web.Limits {
	l := config.Limits
	return web.Limits{Body: int64(l.Body), Message: int64(l.Message), Buffer: int(l.Buffer), Subscriptions: l.Subscriptions}
}
