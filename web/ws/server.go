package ws

import (
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"

	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/session"
	"belfry/web/wire"
)

const (
	// WriteWait is how long a client may take to accept a chunk of about 64 KiB.
	WriteWait = 10 * time.Second
	// endWait is how long a client may take to answer a close frame.
	endWait = 2 * time.Second
)

// Options are what a Server is made of.
type Options struct {
	Sessions *session.Registry
	Origins  access.Origins
	// Legacy lets clients from before RFC 6455 in, where an endpoint does.
	Legacy bool
}

// Server upgrades requests to WebSocket. Its methods are safe for several
// goroutines.
type Server struct {
	sessions *session.Registry
	origins  access.Origins
	legacy   bool
	melody   *melody.Melody
	conns    *wire.Options
}

// New makes a server.
func New(o Options) *Server {
	limits := o.Sessions.Limits()
	return &Server{
		sessions: o.Sessions,
		origins:  o.Origins,
		legacy:   o.Legacy,
		melody:   newMelody(limits.Message),
		conns:    &wire.Options{Limit: limits.Buffer, Alone: limits.Alone(), WriteWait: WriteWait},
	}
}

// Serve upgrades a request, of any draft where the endpoint and the configuration
// let in those before RFC 6455, and returns: the session goes on by itself. An
// error is to be answered, unless the connection was taken over, and then there is
// none.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, e session.Endpoint) error {
	d, err := draftOf(r)
	switch {
	case err == errVersions && !(e.Drafts && s.legacy):
		return errVersion
	case err != nil:
		return err
	case d != draftRFC && !e.Drafts:
		return errDraft
	case d != draftRFC && !s.legacy:
		return errLegacyOff
	case d == draftUnspoken:
		return errHybiDraft
	}
	if err := s.origins.Check(r); err != nil {
		return err
	}
	if err := checkBody(w, r, d); err != nil {
		return err
	}
	if d == draftHixie75 || d == draftHixie76 {
		return s.serveHixie(w, r, d, e.Speak)
	}
	return s.serveMasked(w, r, e)
}

var (
	errBody      = fault.New(fault.BadRequest, "a WebSocket handshake has no body: send neither Content-Length nor Transfer-Encoding")
	errHixieBody = fault.New(fault.BadRequest, "a handshake of hixie-76 has eight bytes behind its head, one of hixie-75 none, and neither is chunked")
)

// checkBody refuses a handshake with a body, which would be taken for frames. The one
// of hixie-76 may have the length of what comes behind its head.
func checkBody(w http.ResponseWriter, r *http.Request, d draft) error {
	if r.ContentLength == 0 || d == draftHixie76 && r.ContentLength == 8 {
		return nil
	}
	// The HTTP server reads what it can of a body before it closes.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(endWait))
	if d == draftHixie75 || d == draftHixie76 {
		return errHixieBody
	}
	return errBody
}

// isUpgrade reports whether a request asks for WebSocket, of whatever draft.
func isUpgrade(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// hijack takes the connection of a request over from the HTTP server.
func (s *Server) hijack(w http.ResponseWriter, to *wire.Conn) error {
	conn, early, err := wire.TakeOver(w)
	if err != nil {
		return err
	}
	to.Open(conn, early, s.conns)
	return nil
}
