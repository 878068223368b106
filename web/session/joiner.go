package session

import (
	"context"

	"belfry/hub"
)

// Joiner is a [Protocol] whose sessions a backend can subscribe and unsubscribe.
// Its methods are called by goroutines of the HTTP API.
type Joiner interface {
	// Join subscribes the session, and tells the client. One that is subscribed
	// already is left as it is.
	Join(context.Context, Joining) error
	// Leave unsubscribes the session and tells the client, if it was subscribed.
	Leave(channel string)
}

// Joining is a subscription that a backend wants.
type Joining struct {
	Channel string
	Info    []byte // chan_info of the client: JSON in compact form, or nil
	Data    []byte // for the client: JSON, or nil
	Since   *hub.Position
}

// Join subscribes the session for a backend, if its protocol knows how.
func (s *Session) Join(ctx context.Context, j Joining) error {
	if p, ok := s.protocol.(Joiner); ok {
		return p.Join(ctx, j)
	}
	return nil
}

// Leave unsubscribes the session for a backend, if its protocol knows how.
func (s *Session) Leave(channel string) {
	if p, ok := s.protocol.(Joiner); ok {
		p.Leave(channel)
	}
}
