package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"belfry/configs"
	"belfry/hub"
	"belfry/web/access"
)

// explainCommand is belfry config explain. It asks the same guard as a server does, about
// kinds of clients that it makes up: it needs no token and no running server, and what it
// says of a kind holds for everybody who is of that kind and no other.
type explainCommand struct {
	configFlags
	Channel string `arg:"" help:"Name of the channel."`
	User    string `help:"Say what this user may do, too." placeholder:"ID"`
}

// Help is shown by belfry config explain --help.
func (explainCommand) Help() string {
	return `Examples:
  belfry config explain chat
  belfry config explain user:ada:mail --user ada --config belfry.yaml`
}

// Validate refuses names that no server accepts.
func (c *explainCommand) Validate() error { return checkChannels(c.Channel) }

// Run prints the rule, where it stands in the configuration, and a line for each kind of
// client.
func (c *explainCommand) Run(t *terminal) error {
	config, err := c.load(t.environ)
	if err != nil {
		return err
	}
	rule, err := hub.New(hub.Options{Rules: rules(config)}).Rule(c.Channel)
	if err != nil {
		return fmt.Errorf("channel %q: no rule matches, and so it does not exist", c.Channel)
	}
	text := fmt.Sprintf("channel %s has the rule with match %q%s\n\n", c.Channel, rule.Match, placeOf(config, rule.Match))
	_, err = fmt.Fprint(t.out, text, c.table(rule))
	return err
}

// placeOf says where a rule stands; empty: nowhere, because it is a default.
func placeOf(config configs.Config, match string) string {
	for i, c := range config.Channels {
		if c.Match == match {
			if place := config.Place(fmt.Sprintf("channels[%d]", i)); place != "" {
				return " (" + place + ")"
			}
		}
	}
	return ""
}

// clients are who may come, by what they are called, and the questions that each asks,
// without the action. Who has the ID of the owner with a question mark behind it is
// somebody else, and stands for all others.
func (c *explainCommand) clients(rule *hub.Rule) (names []string, asks []access.Request) {
	add := func(name string, r access.Request) { names, asks = append(names, name), append(asks, r) }
	all := access.ActionsOf(access.Subscribe, access.Publish, access.ReadHistory, access.ReadPresence)
	owner, owned := rule.Owner(c.Channel)
	add("anyone", access.Request{})
	if owned {
		add("user "+owner, access.Request{Who: &access.Identity{User: owner}})
		add("any other user", access.Request{Who: &access.Identity{User: owner + "?"}})
	} else {
		add("any user", access.Request{Who: &access.Identity{User: "?"}})
	}
	if c.User != "" && c.User != owner {
		add("user "+c.User, access.Request{Who: &access.Identity{User: c.User}})
	}
	add("with a token that names it", access.Request{Granted: all})
	add("a subscriber", access.Request{Subscribed: true})
	add("the server", access.Request{Who: access.Backend})
	return names, asks
}

// table has a line for each kind of client, and a column for each action, in the order of
// the keys in a rule.
func (c *explainCommand) table(rule *hub.Rule) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tsubscribe\tpublish\thistory\tpresence")
	names, asks := c.clients(rule)
	for i, name := range names {
		fmt.Fprint(w, name)
		for _, action := range []access.Action{access.Subscribe, access.Publish, access.ReadHistory, access.ReadPresence} {
			r := asks[i]
			r.Action, r.Channel, r.Rule = action, c.Channel, rule
			fmt.Fprint(w, "\t", answer(rule, r))
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // a builder takes everything
	return text.String()
}

// answer is yes, no, or a dash for what the channel does not have: nobody may read a
// history that is not kept, and it would be no rule that says so.
func answer(rule *hub.Rule, r access.Request) string {
	if r.Action == access.ReadHistory && rule.History.Size == 0 || r.Action == access.ReadPresence && !rule.Presence {
		return "-"
	}
	if _, err := (access.Rules{}).Allow(context.Background(), r); err != nil {
		return "no"
	}
	return "yes"
}
