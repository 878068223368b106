package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub/hubtest"
)

// linkClient is a client over HTTP that never waits for ever: it opens a session,
// goes on with another request when one ends, and counts lines.
type linkClient struct {
	t    testing.TB
	http *http.Client
	base func() string // where the next request goes
	path string
	via  string // a word of the query; see vias

	opened   chan struct{} // closed when the session has its name
	heard    chan string   // texts of messages
	ended    chan linkEnd  // holds how the session ended
	got      atomic.Uint64 // counted lines
	pings    atomic.Int64
	requests atomic.Int64 // that carried the session

	name string // of the session; set before opened is closed
	once sync.Once

	said uint64 // number of the last line sent; for the goroutine that says things
}

// linkEnd is a close line, or the status that a request was refused with.
type linkEnd struct {
	code   int
	reason string
	status int
}

// openLink opens a session over HTTP. Via is what the query says: how it hears.
func (s *testServer) openLink(t testing.TB, via, path string) *linkClient {
	t.Helper()
	return openLink(t, s.client, func() string { return s.URL }, via, path)
}

func openLink(t testing.TB, client *http.Client, base func() string, via, path string) *linkClient {
	t.Helper()
	c := &linkClient{t: t, http: client, base: base, path: path, via: via,
		opened: make(chan struct{}), heard: make(chan string, 10_000), ended: make(chan linkEnd, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-c.opened:
	case e := <-c.ended:
		t.Fatalf("via %s %s: not opened: %+v", via, path, e)
	case <-time.After(hubtest.Patience):
		t.Fatalf("via %s %s: no open line", via, path)
	}
	return c
}

// run makes requests until the session ends.
func (c *linkClient) run(ctx context.Context) {
	for ctx.Err() == nil {
		end, err := c.request(ctx)
		if end != (linkEnd{}) {
			c.ended <- end
			return
		}
		if err != nil && c.via != "poll" {
			time.Sleep(time.Millisecond)
		}
	}
}

// request makes one request that carries the session, and reads it to its end.
func (c *linkClient) request(ctx context.Context) (linkEnd, error) {
	c.requests.Add(1)
	method, query := http.MethodPost, url.Values{"via": {c.via}}
	if c.via == "events" {
		method = http.MethodGet
	}
	session := url.Values{"session": {c.name}, "got": {fmt.Sprint(c.got.Load())}}
	if c.name != "" && c.via == "events" {
		maps.Copy(query, session)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base()+c.path+"?"+query.Encode(), nil)
	if err != nil {
		return linkEnd{}, err
	}
	if c.name != "" && c.via != "events" {
		r.Header.Set("Belfry-Session", session.Encode())
	}
	response, err := c.http.Do(r)
	if err != nil {
		return linkEnd{}, err
	}
	defer response.Body.Close()
	if isTemporary(response.StatusCode) {
		return linkEnd{}, errors.New(response.Status)
	}
	if response.StatusCode != http.StatusOK {
		return linkEnd{status: response.StatusCode}, nil
	}
	in := bufio.NewReader(response.Body)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return linkEnd{}, err // what came of a line that was cut comes again
		}
		if end := c.line(line); end != (linkEnd{}) {
			return end, nil
		}
	}
}

// isTemporary reports whether a status asks to try again, as websocket.js does. A
// busy server has requests of this client under way that the client gave up.
func isTemporary(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

// line takes one line.
func (c *linkClient) line(line string) (end linkEnd) {
	line = strings.TrimSuffix(line, "\n")
	if c.via == "events" {
		if line == "" || line[0] == ':' {
			return
		}
		var ok bool
		if line, ok = strings.CutPrefix(line, "data: "); !ok {
			c.t.Errorf("%q is no line of an event", line)
			return
		}
	}
	var parts []any
	if err := json.Unmarshal([]byte(line), &parts); err != nil || len(parts) == 0 {
		c.t.Errorf("%q is no line: %v", line, err)
		return
	}
	switch parts[0] {
	case "open":
		c.once.Do(func() { c.name = parts[1].(string); close(c.opened) })
	case "m":
		c.got.Add(1)
		if text := parts[1].(string); text != "{}" || c.path != "/connection/websocket" { // a ping
			c.heard <- text
		}
	case "close":
		c.got.Add(1)
		return linkEnd{code: int(parts[1].(float64)), reason: parts[2].(string)}
	case "ping":
		c.pings.Add(1)
	case "pad":
	default:
		c.t.Errorf("%q is a line of no kind", line)
	}
	return
}

// hear returns the next message.
func (c *linkClient) hear() string {
	c.t.Helper()
	select {
	case text := <-c.heard:
		return text
	default:
	}
	select {
	case text := <-c.heard:
		return text
	case e := <-c.ended:
		c.ended <- e
		if len(c.heard) > 0 { // it came before the end
			return <-c.heard
		}
		c.t.Fatalf("the session ended: %+v", e)
	case <-time.After(hubtest.Patience):
		c.t.Fatal("nothing is heard")
	}
	return ""
}

// hearUntil skips messages until one is wanted.
func (c *linkClient) hearUntil(wanted func(string) bool) string {
	c.t.Helper()
	for range 100 {
		if text := c.hear(); wanted(text) {
			return text
		}
	}
	c.t.Fatal("not in 100 messages")
	return ""
}

// end returns how the session ended, once it has.
func (c *linkClient) end() linkEnd {
	c.t.Helper()
	select {
	case e := <-c.ended:
		return e
	case <-time.After(hubtest.Patience):
		c.t.Fatal("the session does not end")
	}
	return linkEnd{}
}

// say sends texts as one batch and repeats it until all of them are taken.
func (c *linkClient) say(texts ...string) {
	c.t.Helper()
	var lines []string
	for _, text := range texts {
		line, _ := json.Marshal(text)
		lines = append(lines, string(line))
	}
	c.sayLines(lines...)
}

func (c *linkClient) sayLines(lines ...string) {
	c.t.Helper()
	last := c.said + uint64(len(lines))
	for deadline := time.Now().Add(hubtest.Patience); c.said < last; {
		if time.Now().After(deadline) {
			c.t.Fatalf("line %d is not taken", c.said+1)
		}
		left := lines[uint64(len(lines))-(last-c.said):]
		status, got := c.post(c.said+1, strings.Join(left, "\n")+"\n")
		switch {
		case status == http.StatusOK:
			c.said = max(c.said, got)
		case status == 0 || isTemporary(status):
			time.Sleep(time.Millisecond)
		default:
			c.t.Fatalf("say: status %d", status)
		}
	}
}

// post makes one request with lines. The status is 0 when there was no answer.
func (c *linkClient) post(first uint64, body string) (status int, got uint64) {
	c.t.Helper()
	status, answer := c.postRaw(first, body)
	if status == http.StatusOK {
		var a struct{ Got uint64 }
		if err := json.Unmarshal([]byte(answer), &a); err != nil {
			c.t.Fatalf("answer %q: %v", answer, err)
		}
		got = a.Got
	}
	return status, got
}

func (c *linkClient) postRaw(first uint64, body string) (status int, answer string) {
	c.t.Helper()
	session := url.Values{"session": {c.name}, "first": {fmt.Sprint(first)}, "got": {fmt.Sprint(c.got.Load())}}
	r, err := http.NewRequest(http.MethodPost, c.base()+c.path+"?via=send", strings.NewReader(body))
	if err != nil {
		return 0, ""
	}
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("Belfry-Session", session.Encode())
	response, err := c.http.Do(r)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, ""
	}
	return response.StatusCode, string(bytes.TrimSpace(text))
}
