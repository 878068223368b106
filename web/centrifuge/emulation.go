package centrifuge

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"belfry/web/carry"
	"belfry/web/fault"
	"belfry/web/session"
)

var (
	errMessageLimit = fault.New(fault.TooLarge, "data: it is over limits.message (BELFRY_LIMITS_MESSAGE)")
	errNoConnect    = fault.New(fault.BadRequest, "connect: a connect command is expected, in the body or in the query as cf_connect")
	errOneConnect   = fault.New(fault.BadRequest, "cf_connect: one connect command in JSON is expected, and nothing else; what comes after it goes to /emulation by POST")
	errNoNode       = fault.New(fault.Ended, "node: there is none of this name any more")
)

// The Centrifuge client library reaches its protocol over HTTP in its own way
// (centrifugal/centrifuge: handler_http_stream.go, handler_sse.go, emulation.go):
// a stream whose request brings the connect command, and POSTs to /emulation with
// what comes after it, which name the session and its node. A stream that breaks
// ends its session, and the client recovers by positions.

// callEmulate brings commands of a client to the node that has the session.
const callEmulate = "session.emulate"

const (
	// maxEmulated is the largest request in bytes: a body, or a connect command
	// in the query.
	maxEmulated = 64 << 10
	// emulateWait is how long another node may take for a request.
	emulateWait = 5 * time.Second
)

// HTTPStream serves POST /connection/http_stream, with the connect command as its
// body: up to 64 KiB, and no more than a message of a client may have. It returns when
// the stream has begun, where the connection could be taken over, and else when it has
// ended; an error is to be answered.
func (s *Server) HTTPStream(w http.ResponseWriter, r *http.Request) error {
	if err := s.origins.AdmitMethods(w, r, http.MethodPost); err != nil || r.Method == http.MethodOptions {
		return err
	}
	connect, err := fault.ReadBody(w, r, s.maxConnect(), "")
	if err != nil {
		return err
	}
	return s.emulate(w, r, replies{}, connect)
}

// SSE serves /connection/sse: GET with the command in the query, because
// EventSource knows nothing else, or POST. The rest is as for HTTPStream.
func (s *Server) SSE(w http.ResponseWriter, r *http.Request) error {
	err := s.origins.AdmitMethods(w, r, http.MethodGet, http.MethodPost)
	if err != nil || r.Method == http.MethodOptions {
		return err
	}
	var connect []byte
	if r.Method == http.MethodGet {
		if connect, err = connectOf(r.URL.Query().Get("cf_connect")); err != nil {
			return err
		}
	} else if connect, err = fault.ReadBody(w, r, s.maxConnect(), ""); err != nil {
		return err
	}
	if int64(len(connect)) > s.maxConnect() {
		return fault.BodyTooLarge(s.maxConnect(), "")
	}
	return s.emulate(w, r, replies{events: true}, connect)
}

// connectOf takes a connect command from a query, and nothing else. A link or an
// image can make a browser send a query for anybody, and so must not be able to say
// anything with it.
func connectOf(query string) ([]byte, error) {
	var cmd command
	text := []byte(strings.TrimSpace(query))
	switch {
	case len(text) == 0:
		return nil, errNoConnect
	case json.Unmarshal(text, &cmd) != nil || cmd.Connect == nil || cmd.methods() != 1:
		return nil, errOneConnect
	}
	return text, nil
}

// maxConnect is the largest connect command in bytes.
func (s *Server) maxConnect() int64 { return min(maxEmulated, s.limits.Message) }

// emulate opens a session that lives as long as its stream, and hands it the
// connect command.
func (s *Server) emulate(w http.ResponseWriter, r *http.Request, d replies, connect []byte) error {
	if len(strings.TrimSpace(string(connect))) == 0 {
		return errNoConnect
	}
	if !utf8.Valid(connect) || !json.Valid(firstLine(connect)) {
		return fault.Field("connect", "JSON commands are expected, one on a line")
	}
	var p *protocol
	link, err := s.links.Open(r, carry.Opening{Dialect: d, Keep: carry.WhileCarried, First: connect,
		Speak: func(c *session.Session) session.Protocol {
			p = s.newProtocol(c)
			return p
		}})
	if err != nil {
		return err
	}
	p.secret = link.Secret()
	var preface []byte
	if d.events {
		// A comment lets proxies pass the head on. Behind CR LF, which others send, older
		// clients lose what comes next.
		preface = []byte(":\n")
	}
	return link.Stream(w, r, preface)
}

func firstLine(text []byte) []byte {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return []byte(line)
}

// emulated is a request to /emulation, and what travels of it to another node.
type emulated struct {
	Session string `json:"session"` // the secret of the connect result
	Node    string `json:"node"`
	Data    string `json:"data"` // commands, one on a line
}

// Emulation serves POST /emulation, with bodies of up to 64 KiB. For a session that
// has ended it answers as for any other, because the client learns that from its
// stream. Commands have been carried out, and answered on the stream, when it returns;
// more than sixteen requests of one session at once are refused. Another node has
// five seconds.
func (s *Server) Emulation(w http.ResponseWriter, r *http.Request) error {
	if err := s.origins.AdmitMethods(w, r, http.MethodPost); err != nil || r.Method == http.MethodOptions {
		return err
	}
	body, err := fault.ReadBody(w, r, maxEmulated, "")
	if err != nil {
		return err
	}
	var e emulated
	if err := json.Unmarshal(body, &e); err != nil {
		return fault.DecodeError(err)
	}
	if e.Session == "" || e.Node == "" || len(e.Session)+len(e.Node) > carry.MaxName {
		return fault.Field("body", "session and node are expected as the connect result gave them, and data")
	}
	if e.Node != s.hub.Node() {
		if err := s.emulateAtOther(r.Context(), e); err != nil {
			return err
		}
	} else if err := s.takeEmulated(e); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// takeEmulated hands commands to their session, if it is there. The limit of a
// message is an answer here, and does not close the session.
func (s *Server) takeEmulated(e emulated) error {
	link := s.links.Find(e.Session, carry.WhileCarried)
	switch {
	case link == nil:
		return nil
	case int64(len(e.Data)) > s.limits.Message:
		return errMessageLimit
	}
	return link.Receive([]byte(e.Data))
}

// emulateAtOther passes commands on to the node that has their session.
func (s *Server) emulateAtOther(ctx context.Context, e emulated) error {
	ctx, cancel := context.WithTimeout(ctx, emulateWait)
	defer cancel()
	var a carry.Answer
	_, err := s.links.Ask(ctx, e.Node, callEmulate, fault.AppendJSON(nil, e), &a)
	switch {
	case err == nil:
		return a.Error.Unpack()
	case fault.From(err).Kind == fault.Ended:
		return errNoNode
	}
	return err
}

// emulateForOther takes commands that another node was sent.
func (s *Server) emulateForOther(_ context.Context, data []byte) ([]byte, error) {
	var e emulated
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	return carry.Answer{Error: fault.Pack(s.takeEmulated(e))}.Pack(), nil
}
