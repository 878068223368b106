package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"belfry/configs"
)

// subscribeCommand is belfry subscribe: for people who look what comes, and for scripts
// that wait for something. It is a client of the Centrifuge protocol, as browsers are.
type subscribeCommand struct {
	Channels []string `arg:"" name:"channel" help:"The channels to follow."`

	serverFlags
	Token string `help:"A token that says who you are; in BELFRY_TOKEN it is not seen by others on this machine." env:"BELFRY_TOKEN" placeholder:"TOKEN"`
	Count int    `help:"End after so many messages." placeholder:"N"`
	JSON  bool   `name:"json" help:"Print each message as a JSON object with channel, data, offset, info and tags."`
}

// Help is shown by belfry subscribe --help.
func (subscribeCommand) Help() string {
	return `Examples:
  belfry subscribe chat date
  belfry subscribe --server https://example.com news
  belfry subscribe --json --count 1 news
  BELFRY_TOKEN=$(belfry token --user ada) belfry subscribe user:ada:mail

Each message is a line on standard output: time, channel and data. What becomes
of the connection is told on standard error; when it breaks, belfry connects
again. SIGINT (Ctrl-C) and SIGTERM end it with exit code 0.`
}

// Validate is called by kong before Run.
func (c *subscribeCommand) Validate() error {
	if c.Count < 0 {
		return errors.New("--count: want 1 or more, or 0 for no end")
	}
	if err := c.Server.check(); err != nil {
		return err
	}
	return checkChannels(c.Channels...)
}

// Run prints messages until there were enough or the context ends. A channel that is
// named twice is followed once. A token that is not taken is the end of it; nobody makes
// another.
func (c *subscribeCommand) Run(ctx context.Context, t *terminal) error {
	var channels []string
	for _, name := range c.Channels {
		if !slices.Contains(channels, name) {
			channels = append(channels, name)
		}
	}
	print := printText(t.out, channels)
	if c.JSON {
		print = printJSON(t.out)
	}
	f := follower{
		server: c.address(), token: configs.Secret(strings.TrimSpace(c.Token)), channels: channels, message: atMost(c.Count, print),
		notice: func(format string, a ...any) { fmt.Fprintf(t.err, "belfry: "+format+"\n", a...) },
	}
	return f.follow(ctx)
}

// atMost returns a function that takes n messages, and any number when n is 0. With
// the last one it returns errEnough.
func atMost(n int, take func(message) error) func(message) error {
	taken := 0
	return func(m message) error {
		if err := take(m); err != nil {
			return err
		}
		if taken++; taken == n {
			return errEnough
		}
		return nil
	}
}
