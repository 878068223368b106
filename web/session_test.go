package web_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

func TestShutdownTellsEveryClient(t *testing.T) {
	s := newTestServer(t, nil)
	plain, centrifuge := s.dial(t, "/ws/chat"), s.dialCentrifuge(t)
	echo := s.dial(t, "/echo")
	done := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), hubtest.Patience)
		defer cancel()
		done <- s.web.Shutdown(ctx)
	}()
	for _, tc := range []struct {
		client *client
		code   int
	}{{plain, 1001}, {centrifuge, 3001}, {echo, 1001}} {
		if code, _ := tc.client.closed(); code != tc.code {
			t.Errorf("close code %d, want %d", code, tc.code)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	response, err := http.Get(s.URL + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("readyz after shutdown: %d, want 503", response.StatusCode)
	}
}

// TestShutdownDoesNotWaitForTheDeaf has a client that never answers a close.
func TestShutdownDoesNotWaitForTheDeaf(t *testing.T) {
	s := newTestServer(t, nil)
	deaf(t, s, "/ws/chat")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 1 }, "one session")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.web.Shutdown(ctx); err != context.Canceled {
		t.Errorf("got %v, want that the context has ended", err)
	}
	if n := s.web.NumSessions(); n != 0 {
		t.Errorf("%d sessions left", n)
	}
}

// deaf opens a session that never reads.
func deaf(t *testing.T, s *testServer, path string) {
	t.Helper()
	fmt.Fprintf(s.dialDeaf(t), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path)
}

// withSmallBuffer has clients evicted that are a little behind.
func withSmallBuffer(o *web.Options) { o.Limits.Buffer = 64 << 10 }

// evictDeaf publishes until the client that does not read is evicted. Others hear
// each message before the next, so that they are never behind. It is done with
// little and without the API: who takes nothing for ten seconds is cut off
// before, and not counted.
func (s *testServer) evictDeaf(t *testing.T, others func(text string)) {
	t.Helper()
	text := strings.Repeat("x", 30<<10)
	for sent := 0; s.web.NumEvicted() == 0; sent++ {
		if sent == 200 {
			t.Fatal("not evicted after 200 messages of 30 KiB")
		}
		hubtest.Publish(t, s.hub, "news", `"`+text+`"`)
		others(text)
	}
	if n := s.web.NumEvicted(); n != 1 {
		t.Fatalf("%d clients were evicted, want 1", n)
	}
}

// TestDeafClientIsEvicted stops reading on one of three clients, and sees it
// evicted at its bound while the others miss nothing.
func TestDeafClientIsEvicted(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withSmallBuffer)
	a, b := s.dial(t, "/ws/news"), s.dialCentrifuge(t)
	b.say(sub(2, "news"))
	b.hear()
	deaf(t, s, "/ws/news")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("news") == 3 }, "three subscribers")
	s.evictDeaf(t, func(string) { a.hear(); b.hear() })
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 2 }, "the deaf session is gone")
	s.publish(t, "news", `"after"`)
	if got := a.hear(); got != "after" {
		t.Errorf("after the eviction: %.50q", got)
	}
}

// TestResetClientsAreNotEvicted resets connections while messages go out on them:
// such a client is gone, and was not too slow.
func TestResetClientsAreNotEvicted(t *testing.T) {
	const clients = 60
	s := newTestServer(t, nil)
	var conns []*net.TCPConn
	for i := range clients {
		if i%2 == 0 {
			conns = append(conns, s.dial(t, "/ws/news").NetConn().(*net.TCPConn))
			continue
		}
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "GET /events?channel=news HTTP/1.1\r\nHost: x\r\n\r\n")
		conns = append(conns, conn.(*net.TCPConn))
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("news") == clients }, "all subscribers")
	ctx, stop := context.WithCancel(t.Context())
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for ctx.Err() == nil {
			_, _ = s.hub.Publish(ctx, "news", &hub.Message{Data: []byte(`"x"`)}, hub.PublishOptions{})
		}
	})
	for _, conn := range conns {
		b := make([]byte, 1)
		_ = conn.SetReadDeadline(time.Now().Add(hubtest.Patience))
		if _, err := conn.Read(b); err != nil {
			t.Fatal(err) // nothing goes out
		}
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 0 }, "no sessions")
	stop()
	publisher.Wait()
	if n := s.web.NumEvicted(); n != 0 {
		t.Errorf("%d of %d reset clients were evicted for being slow; %d were found gone", n, clients, s.web.NumGone())
	}
	t.Logf("%d were found gone by writing to them", s.web.NumGone())
}

func TestGoneSessionsLeaveNothingBehind(t *testing.T) {
	s := newTestServer(t, nil)
	for range 10 {
		c := s.dialCentrifuge(t)
		c.say(sub(2, "a") + sub(3, "b"))
		c.hear()
		c.Close()
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 0 }, "no sessions")
	if a, b := s.hub.NumSubscribers("a"), s.hub.NumSubscribers("b"); a+b != 0 {
		t.Errorf("%d and %d subscribers left", a, b)
	}
}
