package access

import (
	"context"
	"net/netip"
	"time"

	"belfry/hub"
	"belfry/web/fault"
)

// Backend is who shows a key of the HTTP API that may do everything, and the server
// itself.
var Backend = &Identity{Backend: true}

// isBackend reports whether somebody is the backend.
func (i *Identity) isBackend() bool { return i != nil && i.Backend }

// Action is what somebody wants to do on a channel.
type Action uint8

const (
	Subscribe Action = iota
	Publish
	ReadHistory  // also its position
	ReadPresence // also how many are there
)

// Actions is a set of them.
type Actions uint8

// ActionsOf makes a set.
func ActionsOf(all ...Action) (set Actions) {
	for _, a := range all {
		set |= 1 << a
	}
	return set
}

// Has reports whether an action is in the set.
func (set Actions) Has(a Action) bool { return set&(1<<a) != 0 }

// Request is what a Guard is asked: may somebody do something on a channel?
type Request struct {
	Who     *Identity
	From    netip.Addr // of the client, for the log; the zero address is not known
	Action  Action
	Channel string
	// Rule is that of the channel, where it is known already.
	Rule *hub.Rule
	// Data is what a client says of itself as it subscribes: JSON, or nothing.
	Data []byte
	// Token is what a client shows as it subscribes, whose public ID is Client; empty:
	// nothing.
	Token, Client string
	// Subscribed says that the client is subscribed to the channel, and Granted what
	// the token that it has shown for that lets it do there.
	Subscribed bool
	Granted    Actions
}

// Permit is the answer of a Guard that allows something.
type Permit struct {
	Rule *hub.Rule // of the channel
	// Info is what others are told of a client that subscribes, its chan_info:
	// JSON in compact form, or nil.
	Info []byte
	// Recover says that a client that subscribes may have what it has missed, and Presence
	// that it may hear who joins and leaves.
	Recover, Presence bool
	// Until is when the subscription ends, unless the client shows another token;
	// zero: it does not. Granted is what the token lets the client do beside.
	Until   time.Time
	Granted Actions
	// Token is what the token says that was shown for it; nil: none was.
	Token *Identity
}

// Guard decides for every protocol, and for the HTTP API. Its methods are safe
// for several goroutines, and may block for as long as the context lasts. Errors
// are for the client: a [fault.Error], or one that [fault.From] knows.
type Guard interface {
	// Connect says who a client is that arrives, or why it may not.
	Connect(ctx context.Context, h Hello) (*Identity, error)
	// Allow says whether somebody may do something.
	Allow(ctx context.Context, r Request) (Permit, error)
}

var errServerDenied = fault.New(fault.Denied, "the rule of this channel does not let the server publish: add server to its publish list")

// Rules is the [Guard] that goes by the rules of a hub. Every client is anonymous.
type Rules struct {
	// For returns the rule of a channel, as [hub.Hub.Rule] does.
	For func(channel string) (*hub.Rule, error)
}

// Connect implements [Guard].
func (Rules) Connect(_ context.Context, h Hello) (*Identity, error) {
	if h.Token != "" {
		return nil, ErrToken
	}
	return nil, nil
}

// Allow implements [Guard].
func (g Rules) Allow(_ context.Context, r Request) (Permit, error) {
	p := Permit{Rule: r.Rule, Recover: true, Presence: true}
	if p.Rule == nil {
		var err error
		if p.Rule, err = g.For(r.Channel); err != nil {
			return Permit{}, err
		}
	}
	if !r.Who.isBackend() {
		return mayClient(p, &r)
	}
	switch {
	case r.Who.Within != nil && r.Who.On(r.Channel) == nil:
		return Permit{}, fault.Newf(fault.Denied, "the API key %s may not use the channel %.100q: add it to the channels of the key (api.keys)", r.Who.Proof.Key, r.Channel)
	case r.Action == Publish && !p.Rule.ServerPublish:
		return Permit{}, errServerDenied
	}
	return p, nil
}
