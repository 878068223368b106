package web_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/web"
)

// inBubble runs a test with a clock of its own. The server in it has no socket.
func inBubble(t *testing.T, test func(t *testing.T, s *web.Server, h *hub.Hub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		s, stop := serveInBubble(t, h)
		test(t, s, h)
		stop()
		time.Sleep(time.Minute) // timers that only forget
	})
}

// serveInBubble starts a server on a hub, both of which end with stop.
func serveInBubble(t *testing.T, h *hub.Hub) (s *web.Server, stop func()) {
	t.Helper()
	s = web.New(web.Options{Hub: h, Legacy: true})
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = h.Run(ctx) })
	parts.Go(func() { s.Run(ctx) })
	synctest.Wait()
	return s, func() {
		_ = s.Shutdown(t.Context())
		cancel()
		parts.Wait()
	}
}

// TestCarryOwnerDies has the node that has a session die without a word while a poll
// of it waits at another.
func TestCarryOwnerDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		brokers := newMembers(2)
		owner, stopOwner := serveInBubble(t, hub.New(hub.Options{Broker: brokers[0]}))
		other, stopOther := serveInBubble(t, hub.New(hub.Options{Broker: brokers[1]}))
		url := "/ws/chat?via=poll&session=" + openPoll(t, owner, "/ws/chat")

		time.AfterFunc(time.Second, brokers[0].(*member).die)
		since := time.Now()
		if w := ask(t, other, "POST", url); w.Code != http.StatusServiceUnavailable || time.Since(since) > 8*time.Second {
			t.Errorf("the poll that waited: %d %q after %v, want 503 within 8 s", w.Code, w.Body, time.Since(since))
		}
		if w := ask(t, other, "POST", url); w.Code != http.StatusNotFound {
			t.Errorf("the next poll: %d %q, want 404", w.Code, w.Body)
		}
		stopOther()
		stopOwner()
		time.Sleep(time.Minute) // timers that only forget
	})
}

// ask makes a request without a socket and waits for the whole answer.
func ask(t *testing.T, s *web.Server, method, url string) *httptest.ResponseRecorder {
	t.Helper()
	return askWith(t, s, method, url, "")
}

// askWith is ask with a body.
func askWith(t *testing.T, s *web.Server, method, url, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body)))
	return w
}

// openPoll opens a session and returns its name.
func openPoll(t *testing.T, s *web.Server, path string) string {
	t.Helper()
	w := ask(t, s, "POST", path+"?via=poll")
	parts := strings.Split(w.Body.String(), `"`)
	if w.Code != 200 || len(parts) < 4 || parts[1] != "open" {
		t.Fatalf("open: %d %q", w.Code, w.Body)
	}
	return parts[3]
}

func TestCarryAwayTooLong(t *testing.T) {
	inBubble(t, func(t *testing.T, s *web.Server, h *hub.Hub) {
		name := openPoll(t, s, "/ws/chat")
		for range 3 {
			time.Sleep(29 * time.Second)
			if _, err := h.Publish(t.Context(), "chat", &hub.Message{Data: []byte(`"x"`)}, hub.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if w := ask(t, s, "POST", "/ws/chat?via=poll&session="+name); w.Body.String()[:4] != `["m"` {
				t.Fatalf("after 29 s: %d %q", w.Code, w.Body)
			}
		}
		time.Sleep(30*time.Second + time.Millisecond)
		synctest.Wait()
		if n := s.NumSessions(); n != 0 || h.NumSubscribers("chat") != 0 {
			t.Errorf("after 30 s there are %d sessions", n)
		}
		if w := ask(t, s, "POST", "/ws/chat?via=poll&session="+name); w.Code != http.StatusNotFound {
			t.Errorf("after 30 s: %d %q, want 404", w.Code, w.Body)
		}
	})
}

func TestCarryPollIsHeld(t *testing.T) {
	inBubble(t, func(t *testing.T, s *web.Server, _ *hub.Hub) {
		name := openPoll(t, s, "/ws/chat")
		start := time.Now()
		w := ask(t, s, "POST", "/ws/chat?via=poll&session="+name)
		if took := time.Since(start); took != 25*time.Second || w.Body.String() != "[\"ping\"]\n" {
			t.Errorf("after %v: %q, want a ping after 25 s", took, w.Body)
		}
	})
}

// TestCarryClosesOnceMore gives the last line to a client that did not get it.
func TestCarryClosesOnceMore(t *testing.T) {
	inBubble(t, func(t *testing.T, s *web.Server, _ *hub.Hub) {
		name := openPoll(t, s, "/echo")
		askWith(t, s, "POST", "/echo?via=send&first=1&session="+name, `["close",4000]`)
		const want = "[\"close\",4000,\"\"]\n"
		for range 2 {
			if w := ask(t, s, "POST", "/echo?via=poll&session="+name); !strings.HasSuffix(w.Body.String(), want) {
				t.Errorf("got %q, want %q", w.Body, want)
			}
			time.Sleep(3 * time.Second)
			if n := s.NumSessions(); n != 0 {
				t.Errorf("%d sessions, want 0", n)
			}
		}
		if w := askWith(t, s, "POST", "/echo?via=send&first=2&session="+name, `"x"`); w.Body.String() != "{\"got\":2}\n" {
			t.Errorf("a session that has ended takes what comes: got %q", w.Body)
		}
		time.Sleep(10 * time.Second)
		if w := ask(t, s, "POST", "/echo?via=poll&session="+name); w.Code != http.StatusNotFound {
			t.Errorf("later: %d %q, want 404", w.Code, w.Body)
		}
	})
}

// TestCarryClosesAtOnce has a session close that no request carries. Others do not
// wait for its client to come and hear of it, unless the server goes down.
func TestCarryClosesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *web.Server, h *hub.Hub) {
		name := openPoll(t, s, "/ws/chat")
		askWith(t, s, "POST", "/ws/chat?via=send&first=1&session="+name, `["close",1000]`)
		synctest.Wait()
		if n := s.NumSessions(); n != 0 || h.NumSubscribers("chat") != 0 {
			t.Errorf("%d sessions, %d subscribers; want none", n, h.NumSubscribers("chat"))
		}
		openPoll(t, s, "/ws/chat")
		start := time.Now()
		_ = s.Shutdown(t.Context())
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("the server waited %v for a client without a request, want 2 s", took)
		}
	})
}

// TestCarryShutdownAtOnce shuts a server down while requests carry its sessions, which
// hear of it and are not waited for.
func TestCarryShutdownAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *web.Server, _ *hub.Hub) {
		name, polled := openPoll(t, s, "/ws/chat"), make(chan string)
		go func() { polled <- ask(t, s, "POST", "/ws/chat?via=poll&session="+name).Body.String() }()
		server, client := newPolitePipe()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/ws/chat?via=events", nil)
		go s.ServeHTTP(pipeWriter{httptest.NewRecorder(), server}, r)
		direct, fetched := &pipeStream{t, bufio.NewReader(client), time.Now()}, openStream(t, s, "/ws/chat?via=events", false)
		direct.wants(`data: ["open"`, 0, 0)
		fetched.wants(`data: ["open"`, 0, 0)
		synctest.Wait()
		done := make(chan error)
		go func() { done <- s.Shutdown(t.Context()) }()
		direct.wants(`data: ["close",1001`, 0, 0)
		fetched.wants(`data: ["close",1001`, 0, 0)
		if got := <-polled; !strings.HasPrefix(got, `["close",1001`) {
			t.Errorf("the poll is answered with %q", got)
		}
		if err := <-done; err != nil || time.Since(direct.start) != 0 {
			t.Errorf("shutdown: %v after %v, want it at once", err, time.Since(direct.start))
		}
	})
}

// pipeWriter is a response whose connection can be taken over.
type pipeWriter struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (w pipeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

// TestCarryStreamPings looks at when what goes out on streams that are written to
// directly, and on others.
func TestCarryStreamPings(t *testing.T) {
	for name, hijack := range map[string]bool{"directly": true, "fetched": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *web.Server, h *hub.Hub) {
				in := openStream(t, s, "/ws/chat?via=events", hijack)
				in.wants(`data: ["open"`, 0, 0)
				in.wants(`data: ["ping"]`, 5*time.Second, 10*time.Second)
				time.Sleep(time.Until(in.start.Add(12 * time.Second)))
				publishText(t, h, "x")
				in.wants(`data: ["m","x"]`, 12*time.Second, 12*time.Second)
				in.wants(`data: ["ping"]`, 17*time.Second, 22*time.Second)
				in.wants(`data: ["ping"]`, 27*time.Second, 32*time.Second)
			})
		})
	}
}

// TestCarryStreamIsGivenUp has a client that reads and does not acknowledge, as a
// proxy may whose client has gone.
func TestCarryStreamIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, s *web.Server, h *hub.Hub) {
		in := openStream(t, s, "/ws/chat?via=events", true)
		in.wants(`data: ["open"`, 0, 0)
		publishText(t, h, "x")
		for line := ""; line != "end"; line = in.line() {
			if time.Since(in.start) > 2*time.Minute {
				t.Fatal("it goes on for two minutes")
			}
		}
		if took := time.Since(in.start); took < 85*time.Second || took > 95*time.Second {
			t.Errorf("closed after %v, want about 90 s", took)
		}
		time.Sleep(31 * time.Second)
		if n := s.NumSessions(); n != 0 {
			t.Errorf("%d sessions 31 s later", n)
		}
	})
}

func publishText(t *testing.T, h *hub.Hub, text string) {
	t.Helper()
	if _, err := h.Publish(t.Context(), "chat", &hub.Message{Data: []byte(`"` + text + `"`)}, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
}

// pipeStream is an event stream over a pipe.
type pipeStream struct {
	t     *testing.T
	in    *bufio.Reader
	start time.Time
}

// openStream opens an event stream whose connection can be taken over or not.
func openStream(t *testing.T, s *web.Server, target string, hijack bool) *pipeStream {
	t.Helper()
	server, client := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "GET", target, nil)
	var w http.ResponseWriter = &flushed{header: make(http.Header), conn: server}
	if hijack {
		w = pipeWriter{httptest.NewRecorder(), server}
	}
	done := make(chan struct{})
	go func() { defer close(done); s.ServeHTTP(w, r) }()
	t.Cleanup(func() { cancel(); _ = client.Close(); <-done })
	return &pipeStream{t, bufio.NewReader(client), time.Now()}
}

// line returns the next line with something in it, or "end".
func (p *pipeStream) line() string {
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return "end"
		}
		if strings.HasPrefix(line, "data: ") {
			return line
		}
	}
}

// wants reads a line that begins like this and comes in time.
func (p *pipeStream) wants(begin string, min, max time.Duration) {
	p.t.Helper()
	line := p.line()
	if at := time.Since(p.start); !strings.HasPrefix(line, begin) || at < min || at > max {
		p.t.Errorf("%q after %v, want %s after %v to %v", line, at, begin, min, max)
	}
}

// flushed is a response whose connection cannot be taken over.
type flushed struct {
	header http.Header
	conn   net.Conn
}

func (f *flushed) Header() http.Header              { return f.header }
func (f *flushed) WriteHeader(int)                  {}
func (f *flushed) Write(p []byte) (int, error)      { return f.conn.Write(p) }
func (f *flushed) Flush()                           {}
func (f *flushed) SetWriteDeadline(time.Time) error { return nil }
