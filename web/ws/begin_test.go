package ws_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/session"
	"belfry/web/ws"
)

// silent is a protocol that says nothing.
type silent struct{ session.TextOnly }

func (silent) Name() string                                { return "silent" }
func (silent) Prepare(context.Context, access.Hello) error { return nil }
func (silent) Opened()                                     {}
func (silent) Text([]byte)                                 {}
func (silent) Gone()                                       {}
func (silent) Ping()                                       {}
func (silent) Lost(*hub.Subscription)                      {}
func (silent) CloseCode(why session.Reason) (int, string)  { return why.Code() }

// newSite serves sessions that say nothing.
func newSite(t *testing.T) (*httptest.Server, *session.Registry) {
	h := hub.New(hub.Options{})
	r := session.NewRegistry(session.Options{
		Hub: h, Guard: access.Rules{For: h.Rule}, Logger: slog.New(slog.DiscardHandler),
		Limits: session.Limits{Message: 1 << 10, Buffer: 1 << 16, Subscriptions: 1},
	})
	s := ws.New(ws.Options{Sessions: r, Legacy: true})
	none := func([]string) (string, session.Speak) { return "", nil }
	endpoint := session.Endpoint{Drafts: true, Choose: none, Speak: func(s *session.Session) session.Protocol { return silent{session.TextOnly{Session: s}} }}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = s.Serve(w, r, endpoint) }))
	t.Cleanup(site.Close)
	return site, r
}

// TestAnswerComesFirst pings sessions from the moment that they have begun: nothing
// comes before the answer to the handshake.
func TestAnswerComesFirst(t *testing.T) {
	site, r := newSite(t)
	ctx, stop := context.WithCancel(t.Context())
	var pinging sync.WaitGroup
	pinging.Go(func() {
		for ctx.Err() == nil {
			r.Advance()
		}
	})
	for draft, head := range map[string]string{
		"RFC 6455": "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"hixie-75": "Origin: http://127.0.0.1\r\n\r\n",
		"hixie-76": "Origin: http://127.0.0.1\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U",
	} {
		for range 200 {
			if answer := connect(t, site.Listener.Addr().String(), head); !strings.HasPrefix(answer, "HTTP/1.1 101 ") {
				t.Errorf("%s: the answer begins with %q", draft, answer)
				break
			}
		}
	}
	stop()
	pinging.Wait()
	shutDown(t, r)
}

func shutDown(t *testing.T, r *session.Registry) {
	t.Helper()
	gone, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Shutdown(gone); err != nil {
		t.Error(err)
	}
}

// connect sends a handshake and returns the first line of the answer.
func connect(t *testing.T, addr, head string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"+head); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatalf("%q came, then %v", line, err)
	}
	return line
}
