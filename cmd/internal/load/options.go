package load

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"belfry/cmd/internal/client"
)

// Transport is how messages come down to a session, and these are the transports.
type Transport = client.Transport

const (
	WebSocket = client.WebSocket
	Events    = client.Events
	Stream    = client.Stream
	Poll      = client.Poll
)

// Protocol is what is spoken in a session.
type Protocol string

// The protocols.
const (
	// Raw is a channel's messages as text; the URL names the channel.
	Raw Protocol = "raw"
	// Centrifuge is the Centrifuge protocol in JSON.
	Centrifuge Protocol = "centrifuge"
)

// Limits of what can be asked for, all inclusive. A marker has room for such numbers,
// and a mistyped digit does not take the machine down.
const (
	MaxSubscribers = 1_000_000
	MaxPublishers  = 1024
	MaxMessages    = 1_000_000_000
	MaxSize        = 16 << 20
	MaxRate        = 1_000_000
	MaxChurn       = 100_000
)

// Options says what to do. There are no defaults but where zero is explained.
type Options struct {
	// SocketURL is the WebSocket endpoint, ws:// or wss://. For Raw it has
	// {channel} in its path.
	SocketURL string
	// PublishURL is the HTTP endpoint to publish to, http:// or https://. Empty:
	// messages are published over the first subscriber of their channel.
	PublishURL string
	// APIKey goes with each publish in X-API-Key, unless it is empty.
	APIKey string
	// AllowRemote lets the server be on another machine.
	AllowRemote bool
	// Tokens say who the clients are: the first connection shows the first, and when
	// there are no more they begin again. Empty: clients are anonymous.
	Tokens []string
	// AtOnce is how many subscribers are opened at a time; 0: 32.
	AtOnce int

	// Transport carries the subscribers' sessions; empty: WebSocket. The others
	// want Raw and a PublishURL.
	Transport   Transport
	Protocol    Protocol
	Subscribers int    // each is a connection, with one channel
	Channels    int    // subscribers are spread over them
	Channel     string // the names are this, and a number if there are several

	Publishers int     // messages are spread over them
	Messages   int     // in all; 0: none, or as many as Duration has
	Rate       float64 // messages a second in all
	Size       int     // bytes of each, MinSize or more
	// Duration is how long to publish when Messages is 0, and how long to idle
	// when Rate is 0 too.
	Duration time.Duration
	// Warmup is how long to publish before anything is counted.
	Warmup time.Duration
	// Patience is how long to wait for what is still on its way at the end.
	Patience time.Duration

	// Stall is how many of the subscribers stop reading at the first counted
	// message. What they miss is not counted as lost.
	Stall int
	// Churn is how many joins and leaves a second, taken together, are done over
	// extra connections while the counted messages are published. It needs the
	// Centrifuge protocol.
	Churn int

	// PID is the server's process, to measure; 0: none.
	PID int

	// Progress, unless it is nil, is called now and then from one goroutine.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Phase string // such as "connecting"
	Done  int64
	Total int64
	Unit  string // of Done and Total
}

// idle reports whether nothing is published: connections are only kept.
func (o *Options) idle() bool { return o.total() == 0 }

// total is how many counted messages there are.
func (o *Options) total() int {
	if o.Messages > 0 {
		return o.Messages
	}
	return int(o.Rate * o.Duration.Seconds())
}

// churners is how many connections join and leave.
func (o *Options) churners() int { return (o.Churn + opsPerChurner - 1) / opsPerChurner }

// connections is how many connections to the server there are. The few that carry
// what sessions over HTTP say are not counted: they are spare descriptors.
func (o *Options) connections() int {
	n := o.Subscribers
	if !o.idle() {
		n += o.churners()
	}
	if !o.idle() && o.PublishURL != "" {
		n += o.Publishers
	}
	return n
}

// tokenOf is the token of the i-th connection, from 0; empty: it has none.
func (o *Options) tokenOf(i int) string {
	if len(o.Tokens) == 0 {
		return ""
	}
	return o.Tokens[i%len(o.Tokens)]
}

// channelName is the name of the i-th channel, from 0.
func (o *Options) channelName(i int) string {
	if o.Channels == 1 {
		return o.Channel
	}
	return fmt.Sprintf("%s-%d", o.Channel, i)
}

// Check returns what cannot be done, in the words of the fields, all at once. Run
// calls it first; a command may call it earlier.
func (o *Options) Check() error {
	faults := append(o.outOfRange(), o.contradictions()...)
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "; "))
	}
	_, err := o.socketURL(o.channelName(0))
	return err
}

// outOfRange finds numbers beyond their limits.
func (o *Options) outOfRange() (faults []string) {
	for _, f := range []struct {
		name             string
		value, low, high int
	}{
		{"subscribers", o.Subscribers, 1, MaxSubscribers},
		{"channels", o.Channels, 1, max(1, o.Subscribers)},
		{"at-once", o.AtOnce, 0, MaxSubscribers},
		{"publishers", o.Publishers, 1, MaxPublishers},
		{"messages", o.Messages, 0, MaxMessages},
		{"size", o.Size, MinSize, MaxSize},
		{"stall", o.Stall, 0, max(0, o.Subscribers-o.Channels)},
		{"churn", o.Churn, 0, MaxChurn},
	} {
		if f.value < f.low || f.value > f.high {
			faults = append(faults, fmt.Sprintf("%s: %d; want %d to %d", f.name, f.value, f.low, f.high))
		}
	}
	return faults
}

// contradictions finds options that do not go together, and values that are none of
// the choices.
func (o *Options) contradictions() (faults []string) {
	add := func(wrong bool, fault string) {
		if wrong {
			faults = append(faults, fault)
		}
	}
	add(!(o.Rate >= 0 && o.Rate <= MaxRate), fmt.Sprintf("rate: %v; want 0 to %d messages a second", o.Rate, MaxRate))
	add(o.Messages > 0 && o.Rate == 0, "rate: 0; messages want a rate")
	add(o.Rate*o.Duration.Seconds() > MaxMessages, fmt.Sprintf("duration: has more than %d messages", MaxMessages))
	add(o.idle() && o.Duration <= 0, "nothing to do: want messages, or a duration to idle")
	add(o.Protocol != Raw && o.Protocol != Centrifuge, fmt.Sprintf("protocol: %q; want %s or %s", o.Protocol, Raw, Centrifuge))
	add(o.Churn > 0 && o.Protocol != Centrifuge, fmt.Sprintf("churn: joins and leaves are commands of the %s protocol", Centrifuge))
	add(!o.Transport.Known(), fmt.Sprintf("transport: %q; want %s, %s, %s or %s", o.Transport, WebSocket, Events, Stream, Poll))
	add(o.Transport.OverHTTP() && o.Protocol != Raw, fmt.Sprintf("protocol: over the transport %s it has to be %s", o.Transport, Raw))
	add(o.Transport.OverHTTP() && o.PublishURL == "", fmt.Sprintf("publishing: over subscribers' connections these have to be of the transport %s", WebSocket))
	add(o.Transport.OverHTTP() && len(o.Tokens) > 0, fmt.Sprintf("tokens: are shown over the transport %s alone", WebSocket))
	add(o.Channel == "", "channel: is empty; want a name")
	return faults
}

// socketURL is the endpoint for a channel; over HTTP it is the same path.
func (o *Options) socketURL(channel string) (*url.URL, error) {
	u, err := url.Parse(strings.ReplaceAll(o.SocketURL, "{channel}", url.PathEscape(channel)))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss":
		return nil, fmt.Errorf("%s: want a URL that begins with ws:// or wss://", o.SocketURL)
	case o.Protocol == Raw && !strings.Contains(o.SocketURL, "{channel}"):
		return nil, fmt.Errorf("%s: want {channel} in the URL, in place of the channel's name", o.SocketURL)
	}
	return u, nil
}
