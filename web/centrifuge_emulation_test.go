package web_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"belfry/hub/hubtest"
	"belfry/web"
)

// emulation is a client of the Centrifuge protocol over HTTP, as its library
// makes requests.
type emulation struct {
	t       testing.TB
	client  *http.Client
	in      *bufio.Reader
	sse     bool
	close   func() error
	session string
	node    string
}

// emulate opens a stream and connects.
func (s *testServer) emulate(t testing.TB, sse bool, connect string) *emulation {
	t.Helper()
	e := &emulation{t: t, client: s.client, sse: sse}
	method, path, body := http.MethodPost, "/connection/http_stream", io.Reader(strings.NewReader(connect))
	if sse {
		method, path, body = http.MethodGet, "/connection/sse?"+url.Values{"cf_connect": {connect}}.Encode(), nil
	}
	response := s.begin(t, method, path, body)
	if response.Header.Get("X-Accel-Buffering") != "no" || !strings.Contains(response.Header.Get("Cache-Control"), "no-store") {
		t.Fatalf("%s: %s %v", path, response.Status, response.Header)
	}
	e.in, e.close = bufio.NewReader(response.Body), response.Body.Close
	return e
}

// connected opens a stream and reads the connect result.
func (s *testServer) emulateConnected(t testing.TB, sse bool) *emulation {
	t.Helper()
	e := s.emulate(t, sse, connect)
	var reply struct {
		ID      int
		Connect struct{ Client, Session, Node string }
	}
	line := e.hear()
	if err := json.Unmarshal([]byte(line), &reply); err != nil || reply.ID != 1 {
		t.Fatalf("connect: %q, %v", line, err)
	}
	e.session, e.node = reply.Connect.Session, reply.Connect.Node
	if len(e.session) < 26 || e.node != s.hub.Node() || e.session == reply.Connect.Client {
		t.Fatalf("connect: %s", line)
	}
	return e
}

// hear returns the next reply that is no ping, or "end".
func (e *emulation) hear() string {
	e.t.Helper()
	for {
		line, err := e.in.ReadString('\n')
		switch {
		case err != nil:
			return "end"
		case line == "{}\n" || line == "data: {}\n":
		case !e.sse:
			return strings.TrimSuffix(line, "\n")
		case strings.HasPrefix(line, "data: "):
			return strings.TrimSuffix(strings.TrimPrefix(line, "data: "), "\n")
		case line != "\n" && line != ":\n": // a carriage return, too, which older clients stumble over
			e.t.Errorf("%q in an event stream", line)
		}
	}
}

// say sends commands to a server and returns the status.
func (e *emulation) say(base, commands string) int {
	e.t.Helper()
	body, _ := json.Marshal(map[string]string{"session": e.session, "node": e.node, "data": commands})
	response, err := e.client.Post(base+"/emulation", "application/json", strings.NewReader(string(body)))
	if err != nil {
		e.t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func eachEmulation(t *testing.T, change func(*web.Options), test func(t *testing.T, s *testServer, sse bool)) {
	t.Helper()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		for name, sse := range map[string]bool{"http_stream": false, "sse": true} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				t.Parallel()
				s := newTestServer(t, change)
				s.client = httpClient(t, protocol)
				test(t, s, sse)
			})
		}
	}
}

func TestEmulation(t *testing.T) {
	eachEmulation(t, nil, func(t *testing.T, s *testServer, sse bool) {
		e := s.emulateConnected(t, sse)
		for _, step := range []struct {
			say  string
			hear []string // what lines begin with; sorted, because a push may come before a reply
		}{
			{sub(2, "news") + sub(3, "chat"), []string{`{"id":2,"subscribe":{`, `{"id":3,"subscribe":{`}},
			{`{"id":4,"ping":{}}`, []string{`{"id":4,"ping":{}}`}},
			{`{}`, nil},
			{`{"id":5,"publish":{"channel":"chat","data":1}}`, []string{`{"id":5,"publish":{`, `{"push":{"channel":"chat","pub":{`}},
		} {
			if status := e.say(s.URL, step.say); status != http.StatusNoContent {
				t.Fatalf("%s: status %d", step.say, status)
			}
			var got []string
			for range step.hear {
				got = append(got, e.hear()) // each reply is a line of its own
			}
			slices.Sort(got)
			if !slices.EqualFunc(got, step.hear, strings.HasPrefix) {
				t.Errorf("after %s: %q, want %q", step.say, got, step.hear)
			}
		}
	})
}

// TestEmulationEnds looks at the last push of a stream.
func TestEmulationEnds(t *testing.T) {
	eachEmulation(t, nil, func(t *testing.T, s *testServer, sse bool) {
		e := s.emulateConnected(t, sse)
		if status := e.say(s.URL, "nonsense"); status != http.StatusNoContent {
			t.Errorf("status %d", status)
		}
		wantHear(t, e, `{"push":{"disconnect":{"code":3501,"reason":"bad request"}}}`, "end")
		hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 0 }, "no sessions")
		if status := e.say(s.URL, `{"id":9,"ping":{}}`); status != http.StatusNoContent {
			t.Errorf("to a session that has ended: %d, want 204", status)
		}
		left := s.emulateConnected(t, sse)
		_ = left.close()
		hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 0 }, "a broken stream has ended its session")
		stays := s.emulateConnected(t, sse)
		if err := s.web.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		wantHear(t, stays, `{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}`, "end")
	})
}

func wantHear(t *testing.T, e *emulation, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := e.hear(); got != w {
			t.Errorf("heard %s, want %s", got, w)
		}
	}
}

// TestEmulationEvicts has a client that does not read beside one that does.
func TestEmulationEvicts(t *testing.T) {
	eachEmulation(t, withSmallBuffer, func(t *testing.T, s *testServer, sse bool) {
		s.URL = "http://" + hubtest.NewProxy(t, s.Listener.Addr().String()).Addr() // keeps little on its way
		s.client.Transport.(*http.Transport).HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerConnection: 64 << 10, MaxReceiveBufferPerStream: 64 << 10}
		e := s.emulateConnected(t, sse)
		e.say(s.URL, sub(2, "news"))
		native := s.dial(t, "/ws/news")
		s.evictDeaf(t, func(string) { native.hear() })
	})
}

func TestEmulationAnyNode(t *testing.T) {
	nodes := newCluster(t, newMembers(2))
	mine, other := nodes[0], nodes[1]
	for _, sse := range []bool{false, true} {
		e := mine.emulateConnected(t, sse)
		if status := e.say(other.URL, `{"id":2,"ping":{}}`); status != http.StatusNoContent {
			t.Errorf("at another node: %d", status)
		}
		wantHear(t, e, `{"id":2,"ping":{}}`)
		e.node = "NOBODY"
		if status := e.say(other.URL, `{"id":3,"ping":{}}`); status != http.StatusNotFound {
			t.Errorf("unknown node: %d, want 404", status)
		}
	}
}

func TestEmulationFaults(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { o.Origins = []string{"https://good.example"} })
	big := strings.Repeat("x", 64<<10+1)
	good := s.emulateConnected(t, false)
	at := func(session, data string) string {
		body, _ := json.Marshal(map[string]string{"session": session, "node": good.node, "data": data})
		return string(body)
	}
	cases := []struct {
		name, method, path, body, origin string
		status                           int
		want                             string
	}{
		{"no connect", "POST", "/connection/http_stream", "", "", 400, "connect: a connect command is expected"},
		{"no connect, sse", "GET", "/connection/sse", "", "", 400, "connect: a connect command is expected"},
		{"no connect, sse by POST", "POST", "/connection/sse", "", "", 400, "connect: a connect command is expected"},
		{"no JSON", "POST", "/connection/http_stream", "hello", "", 400, "connect: JSON commands"},
		{"no JSON, sse", "GET", "/connection/sse?cf_connect=hello", "", "", 400, "cf_connect: one connect command"},
		{"too large", "POST", "/connection/http_stream", big, "", 413, "body: at most 65536"},
		{"too large, sse", "POST", "/connection/sse", big, "", 413, "body: at most 65536"},
		{"too large, emulation", "POST", "/emulation", big, "", 413, "body: at most 65536"},
		{"method", "GET", "/connection/http_stream", "", "", 405, "GET is not answered"},
		{"method, sse", "PUT", "/connection/sse", "", "", 405, "PUT is not answered"},
		{"method, emulation", "GET", "/emulation", "", "", 405, "GET is not answered"},
		{"no body", "POST", "/emulation", "", "", 400, "body: a JSON object is expected"},
		{"an array", "POST", "/emulation", "[]", "", 400, "body: a JSON object is expected"},
		{"no node", "POST", "/emulation", `{"session":"x","data":"{}"}`, "", 400, "body: session and node are expected"},
		{"no session", "POST", "/emulation", `{"node":"x","data":"{}"}`, "", 400, "body: session and node are expected"},
		{"a long name", "POST", "/emulation", `{"node":"` + strings.Repeat("x", 200) + `","session":"x"}`, "", 400, "body: session and node are expected"},
		{"unknown node", "POST", "/emulation", `{"session":"x","node":"y","data":"{}"}`, "", 404, "node: there is none"},
		{"unknown session", "POST", "/emulation", at("x", "{}"), "", 204, ""},
		{"another origin", "POST", "/emulation", at(good.session, "nonsense"), "https://bad.example", 403, "origin not allowed"},
		{"another origin, stream", "POST", "/connection/http_stream", connect, "https://bad.example", 403, "origin not allowed"},
		{"another origin, sse", "GET", "/connection/sse?cf_connect=%7B%7D", "", "https://bad.example", 403, "origin not allowed"},
		{"another origin asks", "OPTIONS", "/emulation", "", "https://bad.example", 403, "origin not allowed"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r, err := http.NewRequest(tc.method, s.URL+tc.path, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if tc.origin != "" {
				r.Header.Set("Origin", tc.origin)
			}
			if status, _, answer := do(t, r); status != tc.status || !strings.Contains(answer, tc.want) {
				t.Errorf("%d %s, want %d and %q", status, answer, tc.status, tc.want)
			}
		})
	}
	if status := good.say(s.URL, `{"id":2,"ping":{}}`); status != http.StatusNoContent {
		t.Errorf("the session is gone: %d", status)
	}
}

// TestEmulationPreflight is what a browser asks before a page of another origin
// may send JSON.
func TestEmulationPreflight(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { o.Origins = []string{"https://good.example"} })
	for path, methods := range map[string]string{
		"/emulation": "POST, OPTIONS", "/connection/http_stream": "POST, OPTIONS", "/connection/sse": "GET, POST, OPTIONS",
	} {
		r, _ := http.NewRequest("OPTIONS", s.URL+path, nil)
		r.Header.Set("Origin", "https://good.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "content-type")
		status, h, body := do(t, r)
		if status != http.StatusNoContent || body != "" || h.Get("Access-Control-Allow-Origin") != "https://good.example" ||
			h.Get("Access-Control-Allow-Methods") != methods || h.Get("Access-Control-Max-Age") != "300" ||
			!strings.Contains(h.Get("Access-Control-Allow-Headers"), "Content-Type") {
			t.Errorf("%s: %d %v", path, status, h)
		}
	}
}
