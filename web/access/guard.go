package access

import (
	"context"
	"net/http"
	"net/url"

	"belfry/hub"
	"belfry/web/fault"
)

// Hello is what a client shows when it arrives. It is good until the call that
// hands it over returns.
type Hello struct {
	Header http.Header
	URL    *url.URL
	Remote string // address and port
}

// HelloOf is what a request shows.
func HelloOf(r *http.Request) Hello { return Hello{r.Header, r.URL, r.RemoteAddr} }

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
)
