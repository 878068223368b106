package session

import (
	"context"

	"belfry/hub"
	"belfry/web/access"
)

// Farewell makes sessions that tell their client to go, with a code and a reason of at
// most 123 bytes, and say nothing else. A page learns nothing of a handshake that is
// refused, and its client library tries again for ever.
func Farewell(code int, reason string) Speak {
	return func(s *Session) Protocol { return &farewell{TextOnly{s}, code, reason} }
}

type farewell struct {
	TextOnly
	code   int
	reason string
}

// Name implements [Protocol].
func (p *farewell) Name() string { return "farewell" }

// Prepare implements [Protocol].
func (p *farewell) Prepare(context.Context, access.Hello) error { return nil }

// Opened implements [Protocol].
func (p *farewell) Opened() { p.Session.CloseWith(p.code, p.reason, false) }

// Text implements [Protocol]: nobody listens any more.
func (p *farewell) Text([]byte) {}

// Binary implements [Protocol].
func (p *farewell) Binary([]byte) {}

// Gone implements [Protocol].
func (p *farewell) Gone() {}

// Ping implements [Protocol].
func (p *farewell) Ping() {}

// Lost implements [Protocol]: there are no subscriptions.
func (p *farewell) Lost(*hub.Subscription) {}

// CloseCode implements [Protocol], for a session that is closed before it was opened.
func (p *farewell) CloseCode(why Reason) (int, string) { return why.Code() }
