package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"belfry/hub"
	"belfry/web/fault"
)

var (
	errMessageLimit = fault.New(fault.TooLarge, "data: it is over limits.message (BELFRY_LIMITS_MESSAGE)")
	errNoConnect    = fault.New(fault.BadRequest, "connect: a connect command is expected, in the body or in the query as cf_connect")
	errNoNode       = fault.New(fault.Ended, "node: there is none of this name any more")
)

// The Centrifuge client library reaches its protocol over HTTP in its own way
// (centrifugal/centrifuge: handler_http_stream.go, handler_sse.go, emulation.go):
// a stream whose request brings the connect command, and POSTs to /emulation with
// what comes after it, which name the session and its node. A stream that breaks
// ends its session, and the client recovers by positions.

const (
	// maxEmulated is the largest request in bytes: a body, or a connect command
	// in the query.
	maxEmulated = 64 << 10
	// preflightAge is how long a browser may remember what it was told, in
	// seconds.
	preflightAge = 300
)

// emulateHTTPStream serves POST /connection/http_stream.
func (s *Server) emulateHTTPStream(w http.ResponseWriter, r *http.Request) error {
	if err := s.admitEmulation(w, r, http.MethodPost); err != nil || r.Method == http.MethodOptions {
		return err
	}
	connect, err := fault.ReadBody(w, r, s.maxConnect(), "")
	if err != nil {
		return err
	}
	return s.emulate(w, r, replies{}, connect)
}

// emulateSSE serves /connection/sse: GET with the command in the query, because
// EventSource knows nothing else, or POST.
func (s *Server) emulateSSE(w http.ResponseWriter, r *http.Request) error {
	err := s.admitEmulation(w, r, http.MethodGet, http.MethodPost)
	if err != nil || r.Method == http.MethodOptions {
		return err
	}
	var connect []byte
	if r.Method == http.MethodGet {
		connect = []byte(r.URL.Query().Get("cf_connect"))
	} else if connect, err = fault.ReadBody(w, r, s.maxConnect(), ""); err != nil {
		return err
	}
	if int64(len(connect)) > s.maxConnect() {
		return fault.BodyTooLarge(s.maxConnect(), "")
	}
	return s.emulate(w, r, replies{events: true}, connect)
}

// maxConnect is the largest connect command in bytes.
func (s *Server) maxConnect() int64 { return min(maxEmulated, s.limits.Message) }

// admitEmulation checks the origin and the method of a request, and answers a
// browser that asks whether a page may make it.
func (s *Server) admitEmulation(w http.ResponseWriter, r *http.Request, methods ...string) error {
	if err := s.origins.Admit(w, r); err != nil {
		return err
	}
	for _, m := range methods {
		if r.Method == m {
			return nil
		}
	}
	right := strings.Join(append(methods, http.MethodOptions), ", ")
	if r.Method != http.MethodOptions {
		return fault.New(fault.WrongMethod, r.Method+" is not answered at "+r.URL.Path+"; "+right+" are").With("Allow", right)
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", right)
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", "Content-Type, Accept, Last-Event-ID")
	}
	h.Set("Access-Control-Max-Age", strconv.Itoa(preflightAge))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// emulate opens a session that lives as long as its stream, and hands it the
// connect command.
func (s *Server) emulate(w http.ResponseWriter, r *http.Request, wrap replies, connect []byte) error {
	if len(strings.TrimSpace(string(connect))) == 0 {
		return errNoConnect
	}
	if !utf8.Valid(connect) || !json.Valid(firstLine(connect)) {
		return fault.Field("connect", "JSON commands are expected, one on a line")
	}
	t, err := s.openCarried(r, wrap, true, newCentrifuge)
	if err != nil {
		return err
	}
	c := &carrying{w: w, r: r, wrap: wrap, session: t}
	if wrap.events {
		c.preface = []byte("\r\n") // lets proxies pass the head on
	}
	t.first = connect
	if err := s.stream(c); err != nil {
		t.vanish()
		return err
	}
	return nil
}

func firstLine(text []byte) []byte {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return []byte(line)
}

// emulatedSecret is what a client is to name in its requests to /emulation. It is
// empty on transports that need none.
func emulatedSecret(c *session) string {
	if t, ok := c.transport.(*carried); ok && t.bound {
		return t.secret
	}
	return ""
}

// emulated is a request to /emulation.
type emulated struct {
	Session string `json:"session"`
	Node    string `json:"node"`
	Data    string `json:"data"`
}

// emulation serves POST /emulation. For a session that has ended it answers as
// for any other, because the client learns that from its stream.
func (s *Server) emulation(w http.ResponseWriter, r *http.Request) error {
	if err := s.admitEmulation(w, r, http.MethodPost); err != nil || r.Method == http.MethodOptions {
		return err
	}
	body, err := fault.ReadBody(w, r, maxEmulated, "")
	if err != nil {
		return err
	}
	var e emulated
	if err := json.Unmarshal(body, &e); err != nil {
		return decodeError(err)
	}
	if e.Session == "" || e.Node == "" || len(e.Session)+len(e.Node) > maxSessionName {
		return fault.Field("body", "session and node are expected as the connect result gave them, and data")
	}
	if e.Node != s.carried.node {
		if err := s.emulateAtOther(r.Context(), e); err != nil {
			return err
		}
	} else if err := s.takeEmulated(e); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// takeEmulated hands commands to their session, if it is there.
func (s *Server) takeEmulated(e emulated) error {
	t := s.carried.find(e.Session)
	if t == nil || !t.bound {
		return nil
	}
	if int64(len(e.Data)) > s.limits.Message {
		return errMessageLimit
	}
	defer t.saying.Add(-1)
	if t.saying.Add(1) > saysAtOnce*4 {
		return errTooManySends
	}
	t.up.Lock()
	defer t.up.Unlock()
	if t.isOpen() {
		t.session.protocol.message([]byte(e.Data))
	}
	return nil
}

// emulateAtOther passes commands on to the node that has their session.
func (s *Server) emulateAtOther(ctx context.Context, e emulated) error {
	ctx, cancel := context.WithTimeout(ctx, sayWait)
	defer cancel()
	answer, err := s.hub.CallWaiting(ctx, e.Node, callEmulate, fault.AppendJSON(nil, e))
	switch {
	case errors.Is(err, hub.ErrNoNode):
		return errNoNode
	case errors.Is(err, hub.ErrNoAnswer):
		return errOwnerSilent
	case err != nil:
		return err
	}
	var a saidAnswer
	if _, err := unpack(answer, &a); err != nil {
		return err
	}
	return a.Error.Unpack()
}

// emulateForOther takes commands that another node was sent.
func (s *Server) emulateForOther(_ context.Context, data []byte) ([]byte, error) {
	var e emulated
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	return pack(saidAnswer{Error: fault.Pack(s.takeEmulated(e))}), nil
}
