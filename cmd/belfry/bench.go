package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"belfry/cmd/internal/load"
)

// benchPatience is how long messages may be on their way at the end, so that a
// server which is far behind can show that it loses none.
const benchPatience = 30 * time.Second

// errBench says that the measured numbers are no good: the report has been printed
// all the same, and says why.
var errBench = errors.New("not every message came once and in order to every subscriber")

// benchCommand is belfry bench: [load.Options] as flags. What a flag allows is
// checked there, so that other programs which load a server have the same limits.
type benchCommand struct {
	Subscribers int           `help:"Connections, each with one channel." default:"1000" group:"Load:"`
	Channels    int           `help:"Channels, which subscribers and messages are spread over." default:"1" group:"Load:"`
	Rate        float64       `help:"Messages a second in all." default:"20" group:"Load:"`
	Duration    time.Duration `help:"How long to publish, or to idle." default:"10s" group:"Load:"`
	Messages    *int          `help:"Messages in all, in place of the duration; 0 publishes none: connections idle for the duration." placeholder:"N" group:"Load:"`
	Size        int           `help:"Bytes of a message's text." default:"128" group:"Load:"`
	Publishers  int           `help:"How many publish; messages are spread over them." default:"1" group:"Load:"`
	Warmup      time.Duration `help:"How long to publish, or to idle, before anything is counted." default:"1s" group:"Load:"`
	AtOnce      int           `help:"Subscribers that connect at a time." default:"32" group:"Load:"`
	Stall       int           `help:"So many subscribers stop reading at the first message that counts." placeholder:"N" group:"Load:"`
	Churn       int           `help:"Joins and leaves a second, together, over more connections of the Centrifuge protocol." placeholder:"N" group:"Load:"`

	serverFlags `group:"Server:"`
	Key         string         `help:"Its API key; in BELFRY_API_KEY it is not seen by others on this machine." env:"BELFRY_API_KEY" placeholder:"KEY" group:"Server:"`
	Tokens      []byte         `help:"Tokens of users, one on a line, for one connection after another; when there are no more they begin again." type:"filecontent" placeholder:"FILE" group:"Server:"`
	Transport   load.Transport `help:"websocket, or Belfry's own over HTTP: events (an event stream), stream (lines), poll (long-poll); these speak raw." default:"websocket" enum:"websocket,events,stream,poll" group:"Server:"`
	Protocol    load.Protocol  `help:"raw: text from /ws/{channel}; centrifuge: JSON from /connection/websocket." default:"raw" enum:"raw,centrifuge" group:"Server:"`
	Channel     string         `help:"The channel, or what the names of several begin with." default:"bench" group:"Server:"`
	PublishOver string         `help:"api: the HTTP API; connection: the connections of subscribers." default:"api" enum:"api,connection" group:"Server:"`
	URL         string         `name:"url" help:"The WebSocket endpoint, for another server than Belfry; {channel} stands for the channel." placeholder:"URL" group:"Server:"`
	PublishURL  string         `name:"publish-url" help:"The call to publish, if it is not /api/publish." placeholder:"URL" group:"Server:"`
	PID         int            `name:"pid" help:"The server's process on this machine: its CPU time and memory are measured." placeholder:"ID" group:"Server:"`
	AllowRemote bool           `help:"The server may be on another machine. Ask its owner." group:"Server:"`

	JSON bool `name:"json" help:"Print the report as JSON."`
}

// Help is shown by belfry bench --help.
func (benchCommand) Help() string {
	return `Examples:
  belfry bench                                              1,000 subscribers, 20 messages/s
  belfry bench --subscribers 2000 --rate 500 --protocol centrifuge
  belfry bench --subscribers 2000 --channels 200 --rate 1500 --pid $(pgrep -xo belfry)
  belfry bench --subscribers 10000 --messages 0 --duration 1m   only idle connections
  belfry bench --stall 1 --size 8192 --duration 20s             one of them stops reading
  belfry bench --protocol centrifuge --churn 5000 --rate 500
  belfry bench --transport poll --subscribers 500               sessions over HTTP
  belfry bench --protocol centrifuge --tokens tokens.txt        as users
  belfry bench --url 'ws://127.0.0.1:9000/room/{channel}' --publish-over connection

Latency is from when a message was due until a subscriber has read it: a server
that makes the publisher wait does not look fast. The load runs on the same
cores as a server on this machine; on small machines their time adds up.

The exit code is 0 when every message came once and in order to every subscriber
that reads, 1 when not, 2 when the command makes no sense.`
}

// Validate is called by kong before Run.
func (c *benchCommand) Validate() error {
	if err := c.Server.check(); err != nil {
		return err
	}
	o := c.options()
	return o.Check()
}

// options translates the flags. With --messages 0 connections only idle, unlike
// without it, and a rate of 0 says so.
func (c *benchCommand) options() load.Options {
	o := load.Options{
		SocketURL: c.socketURL(), PublishURL: c.publishURL(), APIKey: c.Key, AllowRemote: c.AllowRemote,
		Transport: c.Transport, Protocol: c.Protocol, Subscribers: c.Subscribers, Channels: c.Channels, Channel: c.Channel,
		Publishers: c.Publishers, Rate: c.Rate, Size: c.Size, Duration: c.Duration, Tokens: strings.Fields(string(c.Tokens)), AtOnce: c.AtOnce,
		Warmup: c.Warmup, Patience: benchPatience, Stall: c.Stall, Churn: c.Churn, PID: c.PID,
	}
	if c.Messages != nil {
		o.Messages = *c.Messages
		if o.Messages == 0 {
			o.Rate = 0
		}
	}
	return o
}

// socketURL is where subscribers connect. For the raw protocol it has {channel} in
// place of the channel's name.
func (c *benchCommand) socketURL() string {
	path := "/ws/{channel}"
	if c.Protocol == load.Centrifuge {
		path = "/connection/websocket"
	}
	return cmp.Or(c.URL, c.address().webSocket(path))
}

// publishURL is on the same host as the WebSocket endpoint, unless it is given. It
// is empty when messages are published over the subscribers' connections.
func (c *benchCommand) publishURL() string {
	switch {
	case c.PublishOver == "connection":
		return ""
	case c.PublishURL == "" && c.URL != "":
		if u, err := url.Parse(c.URL); err == nil {
			return "http" + strings.TrimPrefix(u.Scheme, "ws") + "://" + u.Host + "/api/publish"
		}
	}
	return cmp.Or(c.PublishURL, c.address().http("/api/publish"))
}

// Run loads a server and prints what came of it. When it is interrupted it prints
// what was counted until then, and fails.
func (c *benchCommand) Run(ctx context.Context, t *terminal) error {
	progress := newBenchProgress(t.err)
	o := c.options()
	o.Progress = progress.show
	report, err := load.Run(ctx, o)
	progress.clear()
	if report != nil {
		err = errors.Join(err, c.print(t, report))
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted: the numbers are of what was done until then")
	case err != nil:
		return reachError(c.address(), err)
	case !report.OK():
		return errBench
	}
	return nil
}

// print writes the report, as text or as JSON.
func (c *benchCommand) print(t *terminal, report *load.Report) error {
	if !c.JSON {
		return report.WriteText(t.out)
	}
	text, err := marshal(report)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "%s\n", text)
	return err
}
