package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"belfry/hub/hubtest"
	"belfry/web"
)

// vias are the words of a query "via" by which a client hears; it speaks by send.
var vias = []string{"events", "stream", "poll"}

// eachVia runs a test over each way to carry a session, on HTTP/1.1 and on HTTP/2
// without TLS.
func eachVia(t *testing.T, test func(t *testing.T, s *testServer, via string)) {
	t.Helper()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		for _, via := range vias {
			t.Run(via+" "+protocol, func(t *testing.T) {
				t.Parallel()
				s := newTestServer(t, nil)
				s.client = httpClient(t, protocol)
				test(t, s, via)
			})
		}
	}
}

// httpClient is a client of its own, which speaks one version of HTTP.
func httpClient(t testing.TB, protocol string) *http.Client {
	p := new(http.Protocols)
	p.SetHTTP1(protocol == "HTTP/1.1")
	p.SetUnencryptedHTTP2(protocol == "HTTP/2")
	transport := &http.Transport{Protocols: p, MaxIdleConnsPerHost: 10}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestCarryEcho(t *testing.T) {
	eachVia(t, func(t *testing.T, s *testServer, via string) {
		c := s.openLink(t, via, "/echo")
		for _, text := range []string{"hello", "", "späte Grüße ✓ \u2028 <b>&", `{"json": 1}`, "a\nb\r\n", strings.Repeat("x", 64<<10)} {
			c.say(text)
			if got := c.hearUntil(notDate); got != text {
				t.Errorf("got %.60q, want %.60q", got, text)
			}
		}
		c.hearUntil(isDate)
		c.say("one", "two", "quit", "after")
		if got := c.hearUntil(notDate) + c.hearUntil(notDate); got != "onetwo" {
			t.Errorf("of a batch: got %q", got)
		}
		if e := c.end(); e.code != 1000 || e.reason != "bye" {
			t.Errorf("quit: %+v, want 1000 bye", e)
		}
		hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 0 }, "no sessions")
	})
}

func TestCarryChannel(t *testing.T) {
	eachVia(t, func(t *testing.T, s *testServer, via string) {
		c, native := s.openLink(t, via, "/ws/chat"), s.dial(t, "/ws/chat")
		native.say("from WebSocket")
		if got := c.hear(); got != "from WebSocket" {
			t.Errorf("heard %q", got)
		}
		native.hear()
		c.say("from HTTP")
		if got := native.hear(); got != "from HTTP" {
			t.Errorf("the other heard %q", got)
		}
		if got := c.hear(); got != "from HTTP" {
			t.Errorf("heard itself as %q", got)
		}
	})
}

// TestCarryCentrifuge has no session in the connect result: to this client it is a
// WebSocket.
func TestCarryCentrifuge(t *testing.T) {
	eachVia(t, func(t *testing.T, s *testServer, via string) {
		c := s.openLink(t, via, "/connection/websocket")
		c.say(connect)
		if got := c.hear(); !strings.HasPrefix(got, `{"id":1,"connect":{"client":"`) || strings.Contains(got, `"session"`) {
			t.Errorf("connect: %s", got)
		}
		c.say(sub(2, "news"))
		if got := c.hear(); !strings.HasPrefix(got, `{"id":2,"subscribe":{`) {
			t.Errorf("subscribe: %s", got)
		}
		s.publish(t, "news", `"hi"`)
		if got := c.hear(); !strings.Contains(got, `"pub":{"data":"hi"`) {
			t.Errorf("publication: %s", got)
		}
		c.say("nonsense")
		if e := c.end(); e.code != 3501 {
			t.Errorf("end: %+v, want 3501", e)
		}
	})
}

// TestCarryCloses has what ends a session over WebSocket end one over HTTP with the
// same code and reason.
func TestCarryCloses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1001)
	cases := []struct {
		name, path, line string
		code             int
		reason           string
	}{
		{"by the client", "/echo", `["close",1000,"enough"]`, 1000, "enough"},
		{"with a code of its own", "/echo", `["close",4711,""]`, 4711, ""},
		{"without a code", "/echo", `["close"]`, 1005, ""},
		{"binary", "/ws/chat", `["binary"]`, 1003, "only text is spoken here"},
		{"binary, Centrifuge", "/connection/websocket", `["binary"]`, 3501, "bad request: JSON in text frames is expected"},
		{"not UTF-8", "/ws/chat", "\"a\xffb\"", 1007, "text is not valid UTF-8"},
		{"over the limit", "/ws/chat", `"` + long + `"`, 1009, ""},
		{"at the limit, in many bytes", "/ws/chat", `"` + strings.Repeat(`\u0078`, 1000) + `"`, 0, ""},
		{"may not publish", "/ws/news", `"me"`, 1008, "clients may not publish to this channel"},
	}
	for _, via := range vias {
		t.Run(via, func(t *testing.T) {
			s := newTestServer(t, func(o *web.Options) { o.Limits.Message = 1000 })
			for _, tc := range cases {
				t.Run(tc.name, func(t *testing.T) {
					c := s.openLink(t, via, tc.path)
					c.sayLines(tc.line)
					if tc.code == 0 {
						c.hear()
						return
					}
					if e := c.end(); e.code != tc.code || e.reason != tc.reason {
						t.Errorf("%+v, want %d %q", e, tc.code, tc.reason)
					}
				})
			}
		})
	}
}

// TestCarryBodyOverTheLimit has a client send a message that no request can carry.
func TestCarryBodyOverTheLimit(t *testing.T) {
	t.Parallel()
	c := newTestServer(t, nil).openLink(t, "stream", "/ws/chat")
	if status, _ := c.postRaw(1, `"`+strings.Repeat("x", 1<<20)+`"`); status != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, want 413", status)
	}
	if e := c.end(); e.code != 1009 {
		t.Errorf("end %+v, want 1009", e)
	}
}

func TestCarrySend(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	c := s.openLink(t, "stream", "/ws/chat")
	steps := []struct {
		name  string
		first uint64
		body  string
		got   uint64
		hears string
	}{
		{"nothing", 1, "", 0, ""},
		{"two", 1, "\"1\"\n\"2\"\n", 2, "1 2"},
		{"the same again", 1, "\"1\"\n\"2\"\n", 2, ""},
		{"some of them again", 2, "\"2\"\n\"3\"", 3, "3"},
		{"a gap", 5, "\"5\"\n", 3, ""},
		{"the rest", 4, "\"4\"\n\"5\"\n", 5, "4 5"},
		{"nothing new", 1, "\"1\"\n", 5, ""},
	}
	for _, tc := range steps {
		if status, got := c.post(tc.first, tc.body); status != http.StatusOK || got != tc.got {
			t.Fatalf("%s: %d, got %d; want %d", tc.name, status, got, tc.got)
		}
		for _, want := range strings.Fields(tc.hears) {
			if got := c.hear(); got != want {
				t.Errorf("%s: heard %q, want %q", tc.name, got, want)
			}
		}
	}
	bad := []struct{ name, body, want string }{
		{"no JSON", "\"6\"\nhello\n", "line 7: a JSON string"},
		{"a number", "\"6\"\n\"7\"\n8", "line 8: "},
		{"an empty line", "\"6\"\n\"7\"\n\n\"9\"", "line 8: "},
		{"another array", "\"6\"\n\"7\"\n[\"m\",\"x\"]", "line 8: "},
		{"a close with nonsense", "\"6\"\n\"7\"\n[\"close\",\"x\"]", "line 8: "},
		{"a close with a code of protocols", "\"6\"\n\"7\"\n[\"close\",1006]", "line 8: "},
		{"null", "\"6\"\n\"7\"\nnull", "line 8: "},
	}
	for _, tc := range bad {
		if status, answer := c.postRaw(6, tc.body); status != http.StatusBadRequest || !strings.Contains(answer, tc.want) {
			t.Errorf("%s: %d %s, want 400 and %q", tc.name, status, answer, tc.want)
		}
	}
	if got := c.hear() + c.hear(); got != "67" {
		t.Errorf("before the bad lines: heard %q", got)
	}
}

// TestCarrySendsAtOnce has two requests bring the same lines at the same time, as
// when one is repeated that only seemed to be lost.
func TestCarrySendsAtOnce(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	c := s.openLink(t, "stream", "/ws/chat")
	for batch := range 50 {
		var lines []string
		for i := range 10 {
			lines = append(lines, fmt.Sprintf("%q", fmt.Sprint(batch*10+i)))
		}
		done := make(chan struct{})
		for range 2 {
			go func() {
				defer func() { done <- struct{}{} }()
				c.post(uint64(batch*10+1), strings.Join(lines, "\n"))
			}()
		}
		<-done
		<-done
	}
	for i := range 500 {
		if got := c.hear(); got != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, got)
		}
	}
}

func TestCarryFaults(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { o.Origins = []string{"https://good.example"} })
	c := s.openLink(t, "poll", "/ws/chat")
	node, _, _ := strings.Cut(c.name, ".")
	cases := []struct {
		name, method, url, body, origin string
		status                          int
		want                            string
	}{
		{"no via", "POST", "/ws/chat", "", "", 400, "via: events, stream, poll or send is expected"},
		{"unknown via", "GET", "/ws/chat?via=pigeon", "", "", 400, "via: events, stream, poll or send is expected"},
		{"events by POST", "POST", "/ws/chat?via=events", "", "", 405, "GET with via=events is"},
		{"poll by GET", "GET", "/ws/chat?via=poll", "", "", 405, "POST with via=poll is"},
		{"stream by GET", "GET", "/ws/chat?via=stream", "", "", 405, "POST with via=stream is"},
		{"send by GET", "GET", "/ws/chat?via=send", "", "", 405, "POST with via=send is"},
		{"another method", "PUT", "/ws/chat?via=send", "", "", 405, "PUT is not answered"},
		{"bad query", "GET", "/ws/chat?via=events;x", "", "", 400, "query: "},
		{"unknown session", "POST", "/ws/chat?via=poll&session=" + node + ".ABC", "", "", 404, "session: there is none"},
		{"unknown session, send", "POST", "/ws/chat?via=send&first=1&session=" + node + ".ABC", `"x"`, "", 404, "session: there is none"},
		{"unknown node", "GET", "/ws/chat?via=events&session=NOBODY.ABC", "", "", 404, "session: there is none"},
		{"unknown node, send", "POST", "/ws/chat?via=send&first=1&session=NOBODY.ABC", `"x"`, "", 404, "session: there is none"},
		{"no name", "POST", "/ws/chat?via=poll&session=", "", "", 400, "session: the name is expected"},
		{"no name, send", "POST", "/ws/chat?via=send&first=1", `"x"`, "", 400, "session: the name is expected"},
		{"long name", "POST", "/ws/chat?via=poll&session=a." + strings.Repeat("x", 99), "", "", 400, "session: the name is expected"},
		{"got is no number", "POST", "/ws/chat?via=poll&got=-1&session=" + c.name, "", "", 400, "got: a whole number"},
		{"got too much", "POST", "/ws/chat?via=poll&got=7&session=" + c.name, "", "", 400, "got: the session has not sent so many"},
		{"got too much, send", "POST", "/ws/chat?via=send&got=7&session=" + c.name, "", "", 400, "got: the session has not sent so many"},
		{"first is no number", "POST", "/ws/chat?via=send&first=x&session=" + c.name, `"x"`, "", 400, "first: a whole number"},
		{"no first", "POST", "/ws/chat?via=send&session=" + c.name, `"x"`, "", 400, "first: the number"},
		{"a body where none is needed", "POST", "/ws/chat?via=poll", strings.Repeat("x", 5000), "", 413, "body: at most 4096 bytes"},
		{"another origin", "POST", "/ws/chat?via=poll", "", "https://bad.example", 403, "origin not allowed"},
		{"another origin, events", "GET", "/ws/chat?via=events", "", "https://bad.example", 403, "origin not allowed"},
		{"another origin, send", "POST", "/ws/chat?via=send&first=1&session=" + c.name, `"x"`, "https://bad.example", 403, "origin not allowed"},
		{"no rule", "GET", "/ws/%00?via=events", "", "", 400, "channel"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r, err := http.NewRequest(tc.method, s.URL+tc.url, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if tc.origin != "" {
				r.Header.Set("Origin", tc.origin)
			}
			status, header, answer := do(t, r)
			if status != tc.status || !strings.Contains(answer, tc.want) {
				t.Errorf("%d %s, want %d and %q", status, answer, tc.status, tc.want)
			}
			if allowed := header.Get("Access-Control-Allow-Origin") + header.Get("Access-Control-Allow-Credentials"); allowed != "" {
				t.Errorf("origin %q is let read it", allowed)
			}
			if status == 405 && header.Get("Allow") == "" && tc.method != "PUT" {
				t.Error("405 does not say what is allowed")
			}
		})
	}
}

// TestCarryOrigins lets pages of allowed origins read everything, refusals too.
func TestCarryOrigins(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { o.Origins = []string{"https://good.example"} })
	for _, url := range []string{"/ws/chat?via=poll", "/ws/chat?via=poll&session=a.b", "/ws/chat?via=pigeon"} {
		r, _ := http.NewRequest("POST", s.URL+url, nil)
		r.Header.Set("Origin", "https://good.example")
		_, header, _ := do(t, r)
		if header.Get("Access-Control-Allow-Origin") != "https://good.example" || header.Get("Access-Control-Allow-Credentials") != "true" || header.Get("Vary") != "Origin" {
			t.Errorf("%s: header %v", url, header)
		}
	}
}

// TestCarryHeaders reads the head of each kind of response, and its first lines.
func TestCarryHeaders(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	for _, tc := range []struct{ via, method, contentType, pad, open string }{
		{"events", "GET", "text/event-stream", ":" + strings.Repeat(" ", 2048) + "\n", `data: ["open","`},
		{"stream", "POST", "text/plain; charset=utf-8", `["pad","` + strings.Repeat(" ", 2048) + "\"]\n", `["open","`},
		{"poll", "POST", "text/plain; charset=utf-8", `["pad","` + strings.Repeat(" ", 2048) + "\"]\n", `["open","`},
	} {
		t.Run(tc.via, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(t.Context(), tc.method, s.URL+"/ws/chat?pad=1&via="+tc.via, nil)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			h := response.Header
			if h.Get("Content-Type") != tc.contentType || !strings.Contains(h.Get("Cache-Control"), "no-store") || h.Get("X-Accel-Buffering") != "no" {
				t.Errorf("header %v", h)
			}
			want := tc.pad + tc.open
			got := make([]byte, len(want))
			if _, err := readFull(response.Body, got); err != nil || string(got) != want {
				t.Errorf("it begins %.40q… %q, %v", got, got[max(0, len(got)-20):], err)
			}
		})
	}
}

// TestCarryResume goes on with a session by hand: by the same kind of request and
// by another.
func TestCarryResume(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	for _, from := range vias {
		for _, to := range vias {
			t.Run(from+" to "+to, func(t *testing.T) {
				channel := "/ws/chat-" + from + to
				first := s.beginLink(t, from, channel, "")
				name := first.open()
				native := s.dial(t, channel) // hears after the others
				s.publish(t, channel[4:], `"one"`)
				s.publish(t, channel[4:], `"two"`)
				if from != "poll" {
					first.wants(`["m","one"]`, `["m","two"]`)
				}
				first.Close()
				s.publish(t, channel[4:], `"three"`)
				native.hear()
				native.hear()
				native.hear()
				second := s.beginLink(t, to, channel, "&got=1&session="+name)
				if to != "poll" {
					second.wants(`["ping"]`)
				}
				second.wants(`["m","two"]`, `["m","three"]`)
				third := s.beginLink(t, to, channel, "&got=1&session="+name) // the answer was lost
				if to != "poll" {
					third.wants(`["ping"]`)
				}
				third.wants(`["m","two"]`, `["m","three"]`)
				if to != "poll" {
					second.wantsEnd() // a newer request ends an older one
				}
				s.publish(t, channel[4:], `"four"`)
				fourth := s.beginLink(t, "poll", channel, "&got=3&session="+name)
				fourth.wants(`["m","four"]`)
				fourth.wantsEnd()
			})
		}
	}
}

// TestCarryNewerRequest ends requests that are held, because a newer one carries
// the session.
func TestCarryNewerRequest(t *testing.T) {
	eachVia(t, func(t *testing.T, s *testServer, via string) {
		opening := s.beginLink(t, "poll", "/ws/chat", "")
		name := opening.open()
		opening.wantsEnd()
		older := make(chan struct{})
		go func() {
			defer close(older)
			request := s.beginLink(t, via, "/ws/chat", "&session="+name)
			request.wants(`["ping"]`)
			request.wantsEnd()
		}()
		for begun := time.Now(); ; {
			s.beginLink(t, "stream", "/ws/chat", "&session="+name).wants(`["ping"]`)
			select {
			case <-older:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if time.Since(begun) > hubtest.Patience {
				t.Fatal("the older request goes on")
			}
		}
	})
}

func TestCarryShutdown(t *testing.T) {
	eachVia(t, func(t *testing.T, s *testServer, via string) {
		plain, centrifuge := s.openLink(t, via, "/ws/chat"), s.openLink(t, via, "/connection/websocket")
		if err := s.web.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if e := plain.end(); e.code != 1001 {
			t.Errorf("plain: %+v", e)
		}
		if e := centrifuge.end(); e.code != 3001 {
			t.Errorf("Centrifuge: %+v", e)
		}
		r, _ := http.NewRequest("POST", s.URL+"/ws/chat?via=poll", nil)
		if status, _, _ := do(t, r); status != http.StatusServiceUnavailable {
			t.Errorf("a new session while it goes down: %d, want 503", status)
		}
	})
}

// TestCarrySecretsStayHidden looks for names of sessions in the log.
func TestCarrySecretsStayHidden(t *testing.T) {
	t.Parallel()
	s := newDebugServer(t)
	c := s.openLink(t, "stream", "/ws/chat")
	_, secret, _ := strings.Cut(c.name, ".")
	if len(secret) < 26 { // base32: 130 bits
		t.Errorf("secret %q is short", secret)
	}
	c.say("hello")
	c.postRaw(2, "nonsense")
	c.sayLines(`["binary"]`)
	c.end()
	r, _ := http.NewRequest("GET", s.URL+"/no/such/path?session="+c.name, nil)
	do(t, r)
	if log := s.log.String(); strings.Contains(log, secret) || log == "" {
		t.Errorf("the secret %s is in the log:\n%s", secret, log)
	}
}
