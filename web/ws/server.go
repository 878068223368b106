package ws

import (
	"fmt"
	"net/http"
	"strings"
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
	Errors   fault.Answerer // logs which pages were sent away
	// Legacy lets clients from before RFC 6455 in, where an endpoint does.
	Legacy bool
}

// Server upgrades requests to WebSocket. Its methods are safe for several
// goroutines.
type Server struct {
	sessions *session.Registry
	origins  access.Origins
	errors   fault.Answerer
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
		errors:   o.Errors,
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
	if err := checkBody(w, r, d); err != nil {
		return err
	}
	if err := s.origins.Check(r); err != nil {
		if d != draftRFC || r.Header.Get("Origin") == "" || r.Header.Get("Sec-Websocket-Origin") != "" {
			return err // no browser of today
		}
		s.errors.Log(fault.From(err), err, "path", r.URL.Path, "remote", r.RemoteAddr)
		return s.serveMasked(w, r, sentAway(r), access.HelloOf(r).Stranger()) // whoever looks at the page
	}
	if d == draftHixie75 || d == draftHixie76 {
		return s.serveHixie(w, r, d, e.Speak)
	}
	return s.serveMasked(w, r, e, helloOf(r))
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

// codeForeign is what a page of another origin is told: after a code of this range the
// libraries of the Centrifuge protocol stay away.
const codeForeign = 3507

// sentAway is where a page is let in that may not, to be told why: a browser keeps the
// answer to a handshake that is refused to itself. It wants one of the subprotocols that
// it has offered.
func sentAway(r *http.Request) session.Endpoint {
	origin := strings.ToValidUTF8(r.Header.Get("Origin"), "?")
	reason := fmt.Sprintf("origins (BELFRY_ORIGINS) does not let in pages of %.70s", origin)
	return session.Endpoint{
		Speak:  session.Farewell(codeForeign, reason),
		Choose: func(offered []string) (string, session.Speak) { return append(offered, "")[0], nil },
	}
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
