package load

import (
	"net/url"
	"strconv"
	"sync/atomic"
)

// carried is a session over HTTP as its client sees it: lines come down in the
// responses to its requests (web/via.go and web/framing_lines.go have the wire).
// The goroutine that reads owns what has no comment that says otherwise.
type carried struct {
	run     *run
	url     *url.URL
	session string // its name in a query, once the server has said it
	request []byte // the last one

	inBody   bool
	left     int  // bytes of a long-poll's body that are to come
	answered bool // a long-poll's answer is whole

	got   atomic.Uint64 // counted lines that have come
	owed  int           // bytes since the last acknowledgement was due
	owing atomic.Bool   // it waits for being acknowledged
	acked atomic.Uint64 // lines that were acknowledged
}

func (r *run) newCarried(channel string) (*carried, error) {
	if !r.Transport.overHTTP() {
		return nil, nil
	}
	u, err := r.socketURL(channel)
	return &carried{run: r, url: u}, err
}

// nextRequest is the request that opens the session or goes on with it. It is
// valid until the next call.
func (c *carried) nextRequest() []byte {
	method, query := c.run.Transport.request()
	b := append(c.request[:0], method+" "...)
	b = append(appendTarget(b, c.url), query...)
	if c.session != "" {
		b = append(append(b, "&session="...), c.session...)
		b = strconv.AppendUint(append(b, "&got="...), c.got.Load(), 10)
	}
	b = append(append(b, " HTTP/1.1\r\nHost: "...), c.url.Host...)
	if method == "POST" {
		b = append(b, "\r\nContent-Type: text/plain\r\nContent-Length: 0"...)
	}
	c.request = append(b, "\r\n\r\n"...)
	return c.request
}

// appendTarget appends a URL's path and its query, to which more is added.
func appendTarget(b []byte, u *url.URL) []byte {
	b = append(append(b, u.EscapedPath()...), '?')
	if u.RawQuery != "" {
		b = append(append(b, u.RawQuery...), '&')
	}
	return b
}

// ask sends the next request.
func (c *conn) ask() error {
	c.carried.answered = false
	_, err := c.Write(c.carried.nextRequest())
	return err
}

// openCarried opens the session and waits until it has a name.
func (c *conn) openCarried() error {
	if err := c.ask(); err != nil {
		return err
	}
	for c.carried.session == "" {
		if err := c.read(); err != nil {
			return err
		}
	}
	return c.opened()
}
