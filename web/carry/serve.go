package carry

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"belfry/web/fault"
	"belfry/web/session"
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
// they name. What a line is stands in lines.go.
//
// What a request says of its session, which is session, got and first, may stand in
// the query or, written in the same way, in a header:
//
//	Belfry-Session: session=NAME&got=5
//
// With a query "head" it is the first line of the body in place of that. The name is all
// that is needed to speak for the client, and URLs are written to logs, so that
// websocket.js uses the header wherever a browser lets it. For a page of another origin
// a browser asks first whether it may be sent, without the cookies that a proxy in
// between may want: there it is the body.

// maxCarryBody is the largest body of a request that carries a session and needs
// none, in bytes.
const maxCarryBody = 4 << 10

// maxHead is the longest first line of a body that names a session, in bytes.
const maxHead = 512

var (
	errVia       = fault.New(fault.BadRequest, "via: events, stream, poll or send is expected")
	errGot       = fault.New(fault.BadRequest, "got: the session has not sent so many lines")
	errNoSession = fault.New(fault.Ended, "session: there is none of this name: it has ended, or its node has")
)

// Serve answers a request with a query "via", of a page that may. A session that
// it opens speaks what the endpoint speaks.
func (l *Links) Serve(w http.ResponseWriter, r *http.Request, query url.Values, e session.Endpoint) error {
	if err := addSaid(query, r); err != nil {
		return err
	}
	x := &exchange{links: l, w: w, r: r}
	switch via := query.Get("via"); {
	case via == "events" && r.Method == http.MethodGet:
		return x.carry(query, lines{events: true}, e, x.stream)
	case via == "stream" && r.Method == http.MethodPost:
		return x.carry(query, lines{}, e, x.stream)
	case via == "poll" && r.Method == http.MethodPost:
		return x.carry(query, lines{}, e, x.poll)
	case via == "send" && r.Method == http.MethodPost:
		return l.send(w, r, query)
	case via == "events":
		return wrongMethod(r, "GET with via=events")
	case via == "stream" || via == "poll" || via == "send":
		return wrongMethod(r, "POST with via="+via)
	}
	return errVia
}

// sessionHeader is the header in place of a part of the query. [access.Origins] lets
// pages of other origins send it.
const sessionHeader = "Belfry-Session"

// addSaid puts what the header or the body says of a session into a query, in place of
// what the query says.
func addSaid(query url.Values, r *http.Request) (err error) {
	where, text := sessionHeader, r.Header.Get(sessionHeader)
	if query.Has("head") {
		where = "head"
		if text, err = cutHead(r); err != nil {
			return err
		}
	}
	said, err := url.ParseQuery(text)
	if err != nil {
		return fault.Field(where, "is not written as a query: "+err.Error())
	}
	for _, name := range []string{"session", "got", "first"} {
		if said.Has(name) {
			query[name] = said[name]
		}
	}
	return nil
}

// cutHead takes the first line off the body of a request. The body has the time that
// [fault.Bounded] gives.
func cutHead(r *http.Request) (string, error) {
	in := bufio.NewReaderSize(r.Body, maxHead)
	line, err := in.ReadSlice('\n')
	if err != nil {
		return "", fault.Newf(fault.BadRequest, "head: the first line of the body is expected to name the session, in at most %d bytes", maxHead)
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{in, r.Body}
	return string(line[:len(line)-1]), nil
}

// wrongMethod says what would be answered.
func wrongMethod(r *http.Request, right string) error {
	method, _, _ := strings.Cut(right, " ")
	text := r.Method + " is not answered at " + r.URL.Path + " as it was asked; " + right + " is"
	return fault.New(fault.WrongMethod, text).With("Allow", method)
}

// carry opens a session or finds the one that a request names, and answers with
// what it has to say.
func (x *exchange) carry(query url.Values, d lines, e session.Endpoint, answer func() error) error {
	if err := fault.DiscardBody(x.w, x.r, maxCarryBody); err != nil {
		return err
	}
	x.dialect = d
	if query.Has("pad") {
		x.preface = d.appendPad(nil)
	}
	if query.Has("session") {
		return x.carryOn(query, answer)
	}
	subprotocol, speak := e.Agree(query["protocol"])
	link, err := x.links.Open(x.r, Opening{Dialect: d, Keep: UntilAcknowledged, Speak: speak})
	if err != nil {
		return err
	}
	x.link = link
	x.preface = d.appendOpen(x.preface, x.links.name(link), subprotocol)
	if err := answer(); err != nil {
		link.vanish() // nobody knows its name
		return err
	}
	return nil
}

// carryOn goes on with a session after the lines that the client has.
func (x *exchange) carryOn(query url.Values, answer func() error) error {
	node, secret, err := splitName(query.Get("session"))
	if err != nil {
		return err
	}
	if x.got, err = number(query, "got"); err != nil {
		return err
	}
	x.resumed = true
	if node != x.links.node {
		return x.carryForOther(node, secret, answer)
	}
	if x.link = x.links.Find(secret, UntilAcknowledged); x.link == nil {
		return errNoSession
	}
	if !x.link.acknowledge(x.got) {
		return errGot
	}
	return answer()
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
