package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"belfry/web/fault"
)

var (
	errVia       = fault.New(fault.BadRequest, "via: events, stream, poll or send is expected")
	errGot       = fault.New(fault.BadRequest, "got: the session has not sent so many lines")
	errNoSession = fault.New(fault.Ended, "session: there is none of this name: it has ended, or its node has")
)

// Every WebSocket endpoint can be reached over plain HTTP at the same path, with
// a query "via" that says how:
//
//	GET  via=events  an event stream
//	POST via=stream  a response that does not end, of lines
//	POST via=poll    a response with the lines that wait, or after a while with none
//	POST via=send    what the client says; see upstream.go
//
// The first three carry a session: they open one, or go on with the one that
// they name. What a line is stands in framing_lines.go.

const (
	// maxCarryBody is the largest body of a request that carries a session and
	// needs none, in bytes.
	maxCarryBody = 4 << 10
	// pollWait is how long a long-poll waits for something to answer.
	pollWait = 25 * time.Second
)

// endpoint is where sessions of one protocol are opened.
type endpoint struct {
	speak func(*session) protocol
	// drafts lets in clients from before RFC 6455.
	drafts bool
	// choose picks one of the subprotocols that a client offers; empty: none. A
	// client that offers some gives up when none comes back.
	choose func(offered []string) string
}

// serve opens a session over WebSocket, or as "via" says.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, e endpoint) error {
	if r.Method == http.MethodGet && r.URL.RawQuery == "" {
		return s.serveWebSocket(w, r, e)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.Field("query", "is not valid: "+err.Error())
	}
	via := query.Get("via")
	if via == "" && r.Method == http.MethodGet {
		return s.serveWebSocket(w, r, e)
	}
	if err := s.origins.Admit(w, r); err != nil {
		return err
	}
	switch {
	case via == "events" && r.Method == http.MethodGet:
		return s.carry(w, r, query, lines{events: true}, e, s.stream)
	case via == "stream" && r.Method == http.MethodPost:
		return s.carry(w, r, query, lines{}, e, s.stream)
	case via == "poll" && r.Method == http.MethodPost:
		return s.carry(w, r, query, lines{}, e, s.poll)
	case via == "send" && r.Method == http.MethodPost:
		return s.say(w, r, query)
	case via == "events":
		return wrongMethod(r, "GET with via=events")
	case via == "stream" || via == "poll" || via == "send":
		return wrongMethod(r, "POST with via="+via)
	}
	return errVia
}

// wrongMethod says what would be answered.
func wrongMethod(r *http.Request, right string) error {
	method, _, _ := strings.Cut(right, " ")
	text := r.Method + " is not answered at " + r.URL.Path + " as it was asked; " + right + " is"
	return fault.New(fault.WrongMethod, text).With("Allow", method)
}

// carrying is one request that carries a session.
type carrying struct {
	w       http.ResponseWriter
	r       *http.Request
	wrap    dialect  // what the client reads
	session *carried // nil when it is another node's
	puller  puller   // nil where the connection is still to be taken over
	got     uint64   // lines that the client has
	resumed bool     // it was there before
	preface []byte   // what it reads first
}

// carry opens a session or finds the one that a request names, and answers with
// what it has to say.
func (s *Server) carry(w http.ResponseWriter, r *http.Request, query url.Values, wrap lines, e endpoint, answer func(*carrying) error) error {
	if err := fault.DiscardBody(w, r, maxCarryBody); err != nil {
		return err
	}
	c := &carrying{w: w, r: r, wrap: wrap}
	if query.Has("pad") {
		c.preface = wrap.appendPad(nil)
	}
	if query.Has("session") {
		return s.carryOn(c, query, answer)
	}
	t, err := s.openCarried(r, wrap, false, e.speak)
	if err != nil {
		return err
	}
	c.session = t
	c.preface = wrap.appendOpen(c.preface, s.carried.name(t), e.choose(tokens(query["protocol"])))
	if err := answer(c); err != nil {
		t.vanish() // nobody knows its name
		return err
	}
	return nil
}

// carryOn goes on with a session after the lines that the client has.
func (s *Server) carryOn(c *carrying, query url.Values, answer func(*carrying) error) error {
	node, secret, err := splitSessionName(query.Get("session"))
	if err != nil {
		return err
	}
	if c.got, err = number(query, "got"); err != nil {
		return err
	}
	c.resumed = true
	if node != s.carried.node {
		return s.carryForOther(c, node, secret, answer)
	}
	if c.session = s.carried.find(secret); c.session == nil || c.session.bound {
		return errNoSession
	}
	if !c.session.acknowledge(c.got) {
		return errGot
	}
	return answer(c)
}

// stream answers with a response that goes on.
func (s *Server) stream(c *carrying) error {
	if c.resumed {
		c.preface = c.wrap.AppendPing(c.preface)
	}
	if c.puller == nil {
		err := s.streamDirectly(c)
		if !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		c.puller = c.session.pull(c.got)
		c.session.started()
	}
	defer c.puller.leave()
	return s.streamPulled(c)
}

// poll answers with what there is, or will be in a while.
func (s *Server) poll(c *carrying) error {
	if c.puller == nil {
		c.puller = c.session.pull(c.got)
		c.session.started()
	}
	defer c.puller.leave()
	return s.pollPulled(c)
}

// started lets the protocol speak, once the session is carried for the first
// time, and lets it hear what came with that request.
func (t *carried) started() {
	t.begun.Do(func() {
		t.up.Lock()
		defer t.up.Unlock()
		t.session.protocol.opened()
		if t.first != nil && t.isOpen() {
			t.session.protocol.message(t.first)
			t.first = nil
		}
	})
}

// number reads a number of a query, which is 0 when it is missing.
func number(query url.Values, name string) (uint64, error) {
	text := query.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fault.Field(name, "a whole number from 0 is expected")
	}
	return n, nil
}
