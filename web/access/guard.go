package access

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"belfry/hub"
	"belfry/web/fault"
)

// Hello is what a client shows when it arrives. It is good until the call that
// hands it over returns.
type Hello struct {
	Header http.Header
	URL    *url.URL
	Remote string // address and port
	Token  string // that it shows once it is connected; empty: none
}

// HelloOf is what a request shows.
func HelloOf(r *http.Request) Hello {
	return Hello{Header: r.Header, URL: r.URL, Remote: r.RemoteAddr}
}

// Identity is who somebody is. Nil is an anonymous client.
type Identity struct {
	// Backend may use the HTTP API. It is no client.
	Backend bool
}

// Backend is who shows the key of the HTTP API.
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

// Request is what a Guard is asked: may somebody do something on a channel?
type Request struct {
	Who     *Identity
	Action  Action
	Channel string
	// Rule is that of the channel, where it is known already.
	Rule *hub.Rule
	// Data is what a client says of itself as it subscribes: JSON, or nothing.
	Data []byte
	// Token is what a client shows as it subscribes; empty: nothing.
	Token string
	// Subscribed says that a client who reads is subscribed to the channel.
	Subscribed bool
}

// Permit is the answer of a Guard that allows something.
type Permit struct {
	Rule *hub.Rule // of the channel
	// Info is what others are told of a client that subscribes, its chan_info:
	// JSON in compact form, or nil.
	Info []byte
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

var (
	errServerDenied = fault.New(fault.Denied, "the rule of this channel does not let the server publish: add server to its publish list")
	errClientDenied = fault.New(fault.Denied, "permission denied")

	// ErrToken and ErrPrivate are for who relies on tokens. Nobody checks any here, so
	// that whoever made one up would be let in.
	ErrToken   = fault.New(fault.Denied, "permission denied: tokens are not checked here, and none is accepted: leave token out")
	ErrPrivate = fault.New(fault.Denied, "permission denied: names that begin with $ are of private channels, to which only the backend can subscribe clients")
)

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

// Allow implements [Guard]. Clients read what they are subscribed to: others
// would read what they may not hear.
func (g Rules) Allow(_ context.Context, r Request) (Permit, error) {
	if !r.Who.isBackend() {
		if err := mayClient(&r); err != nil {
			return Permit{}, err
		}
	}
	p := Permit{Rule: r.Rule}
	if p.Rule == nil {
		var err error
		if p.Rule, err = g.For(r.Channel); err != nil {
			return Permit{}, err
		}
	}
	var err error
	switch r.Action {
	case Publish:
		err = mayPublish(p.Rule, r.Who)
	case Subscribe:
		p.Info, err = ownInfo(p.Rule, r)
	}
	return p, err
}

// mayClient refuses a client what no rule can allow it.
func mayClient(r *Request) error {
	reads := r.Action == ReadHistory || r.Action == ReadPresence
	switch {
	case reads && !r.Subscribed:
		return errClientDenied
	case r.Token != "":
		return ErrToken
	case !reads && strings.HasPrefix(r.Channel, "$"):
		return ErrPrivate
	}
	return nil
}

func mayPublish(rule *hub.Rule, who *Identity) error {
	switch {
	case who.isBackend() && !rule.ServerPublish:
		return errServerDenied
	case !who.isBackend() && !rule.ClientPublish:
		return errClientDenied
	}
	return nil
}

// ownInfo makes what a client says of itself its chan_info, so that others see
// its name. Nobody checks that name, which is no loss where clients publish: there
// they can say any name anyway. On all other channels who somebody is would be
// taken for the server's word, and the data is ignored.
func ownInfo(rule *hub.Rule, r Request) ([]byte, error) {
	if !rule.ClientPublish {
		return nil, nil
	}
	return Info("data", r.Data)
}

// maxInfo is the largest chan_info in bytes.
const maxInfo = 1 << 10

// Info returns JSON that tells who somebody is, in compact form: of at most 1 KiB.
// Nil and null tell nothing. Errors name the field that it came in.
func Info(field string, data []byte) ([]byte, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	info, err := fault.Compact(data)
	switch {
	case err != nil:
		return nil, fault.Field(field, err.Error())
	case len(info) > maxInfo:
		return nil, fault.Field(field, fmt.Sprintf("it has %d bytes, at most %d are accepted", len(info), maxInfo))
	}
	return info, nil
}
