package client

import (
	"net/url"
	"strconv"
	"sync/atomic"
)

// Session is a session over HTTP as its client sees it: lines come down in the
// responses to its requests, and each request but the first names the session and
// how many lines have come. The goroutine that receives owns what has no comment
// that says otherwise.
type Session struct {
	transport    Transport
	url          *url.URL
	acknowledger *Acknowledger
	name         string // in a query, once the server has said it; then it does not change
	request      []byte // the last one

	inBody   bool
	left     int  // bytes of a long-poll's body that are to come
	answered bool // a long-poll's answer is whole

	got   atomic.Uint64 // counted lines that have come
	owed  int           // bytes since the last acknowledgement was due
	owing atomic.Bool   // it waits for being acknowledged
	acked atomic.Uint64 // lines that were acknowledged
}

// NewSession is a session that is not open, at an endpoint for WebSockets. The
// transport is one over HTTP.
func NewSession(t Transport, endpoint *url.URL, a *Acknowledger) *Session {
	return &Session{transport: t, url: endpoint, acknowledger: a}
}

// nextRequest is the request that opens the session or goes on with it. It is
// valid until the next call.
func (s *Session) nextRequest() []byte {
	method, query := s.transport.request()
	b := append(s.request[:0], method+" "...)
	b = append(appendTarget(b, s.url), query...)
	if s.name != "" {
		b = append(append(b, "&session="...), s.name...)
		b = strconv.AppendUint(append(b, "&got="...), s.got.Load(), 10)
	}
	b = append(append(b, " HTTP/1.1\r\nHost: "...), s.url.Host...)
	if method == "POST" {
		b = append(b, "\r\nContent-Type: text/plain\r\nContent-Length: 0"...)
	}
	s.request = append(b, "\r\n\r\n"...)
	return s.request
}

// appendTarget appends a URL's path and its query, to which more is added.
func appendTarget(b []byte, u *url.URL) []byte {
	b = append(append(b, u.EscapedPath()...), '?')
	if u.RawQuery != "" {
		b = append(append(b, u.RawQuery...), '&')
	}
	return b
}

// ask sends the next request. A stream has one alone.
func (c *Conn) ask() error {
	c.session.answered = false
	_, err := c.Write(c.session.nextRequest())
	return err
}

// OpenSession opens the session of a connection that was opened with one, and
// receives until it has a name.
func (c *Conn) OpenSession() error {
	if err := c.ask(); err != nil {
		return err
	}
	for c.session.name == "" {
		if err := c.Receive(); err != nil {
			return err
		}
	}
	return c.Ready()
}

// sayGoodbye ends the session, so that the server does not wait for its client. It
// may be called beside the goroutine that receives.
func (s *Session) sayGoodbye() {
	if s.name != "" {
		s.acknowledger.say(s, s.got.Load(), goodbye)
	}
}
