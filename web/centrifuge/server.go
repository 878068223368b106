package centrifuge

import (
	"slices"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/carry"
	"belfry/web/session"
)

// Options are what a Server is made of.
type Options struct {
	Hub      *hub.Hub
	Sessions *session.Registry
	Links    *carry.Links
	Origins  access.Origins
	Version  string // what the server says it is
	// Subscribe lists channels that every session is subscribed to when it
	// connects.
	Subscribe []string
	// RPC answers the rpc calls of clients and backends. Nil: error 108.
	RPC RPCHandler
}

// Server is what the sessions of a node share. Its methods are safe for several
// goroutines.
type Server struct {
	hub       *hub.Hub
	sessions  *session.Registry
	links     *carry.Links
	origins   access.Origins
	version   string
	subscribe []string
	rpc       RPCHandler
	limits    session.Limits
}

// New makes a server, and answers what other nodes ask of it, so that it is made
// before the hub runs.
func New(o Options) *Server {
	s := &Server{
		hub: o.Hub, sessions: o.Sessions, links: o.Links, origins: o.Origins, version: o.Version,
		subscribe: o.Subscribe, rpc: o.RPC, limits: o.Sessions.Limits(),
	}
	s.hub.HandleCall(callEmulate, s.emulateForOther)
	return s
}

// Endpoint is where sessions of the protocol are opened, over WebSocket or carried by
// requests. Clients from before RFC 6455 are not let in: their handshakes prove nothing
// about who sends them.
func (s *Server) Endpoint() session.Endpoint {
	return session.Endpoint{Speak: s.speak, Choose: chooseSubprotocol}
}

func (s *Server) speak(c *session.Session) session.Protocol { return s.newProtocol(c) }

func (s *Server) newProtocol(c *session.Session) *protocol {
	p := &protocol{TextOnly: session.TextOnly{Session: c}, server: s}
	p.ponged.Store(true)
	return p
}

// chooseSubprotocol takes the one for JSON, if it is offered. Clients that offer the one
// for Protobuf alone speak nothing else, and have to hear that in a way that they
// understand: after a handshake that is refused, or that leaves theirs out, they come
// back for ever.
func chooseSubprotocol(offered []string) (string, session.Speak) {
	const inJSON, inProtobuf = "centrifuge-json", "centrifuge-protobuf"
	switch {
	case slices.Contains(offered, inJSON):
		return inJSON, nil
	case slices.Contains(offered, inProtobuf):
		return inProtobuf, session.Farewell(codeInappropriate, "centrifuge-protobuf is not spoken here: have the client use JSON")
	}
	return "", nil
}
