package session

import (
	"context"
	"strings"

	"belfry/hub"
	"belfry/web/access"
)

// Protocol is what one session says. Its methods are called one at a time, by
// the goroutine that reads from the transport, but for Ping, Lost and CloseCode.
type Protocol interface {
	// Name is what logs call the protocol.
	Name() string
	// Prepare is called first, before the client hears that it is connected,
	// on the goroutine of the request. An error refuses the client.
	Prepare(ctx context.Context, h access.Hello) error
	// Opened is called once, when the client can be written to.
	Opened()
	// Text handles one text message: valid UTF-8 within the limit.
	Text(text []byte)
	// Binary handles one binary message within the limit.
	Binary(data []byte)
	// Gone is called once, after the transport of a session that began has
	// closed.
	Gone()
	// Ping is called about every 25 seconds, on a goroutine of the registry.
	Ping()
	// Lost is called when messages of a subscription cannot be had any more, on
	// a goroutine of the hub.
	Lost(*hub.Subscription)
	// CloseCode says how the protocol words a reason for closing.
	CloseCode(Reason) (code int, reason string)
}

// Speak makes what a session speaks.
type Speak func(*Session) Protocol

// TextOnly is the part of a [Protocol] that refuses binary messages.
type TextOnly struct{ Session *Session }

// Binary implements [Protocol].
func (p TextOnly) Binary([]byte) { p.Session.Close(NotText) }

// Turn is called before each command of a client that says several in one message.
func (p TextOnly) Turn() { p.Session.pace.turn(p.Session.registry.limits) }

// Endpoint is where sessions of one protocol are opened.
type Endpoint struct {
	Speak Speak
	// Drafts lets in clients from before RFC 6455.
	Drafts bool
	// Choose picks one of the subprotocols that a client offers; empty: none. A
	// client that offers some gives up when none comes back. Where another is spoken
	// than Speak makes it says so, and nil otherwise.
	Choose func(offered []string) (name string, speak Speak)
}

// Agree picks one of the subprotocols that a client offers in lists (RFC 6455, section
// 4.1), and what is spoken then. What is no token of RFC 2616 is left out.
func (e Endpoint) Agree(lists []string) (name string, speak Speak) {
	var offered []string
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" && !strings.ContainsFunc(name, isNoToken) {
				offered = append(offered, name)
			}
		}
	}
	if name, speak = e.Choose(offered); speak == nil {
		speak = e.Speak
	}
	return name, speak
}

func isNoToken(c rune) bool {
	return c <= ' ' || c >= 0x7F || strings.ContainsRune(`()<>@;:\"/[]?={}`, c)
}
