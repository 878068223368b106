package web_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/web"
)

// hixieRequest is a handshake, and the bytes behind its head.
func hixieRequest(t *testing.T, draft int, path string) (r *http.Request, body string) {
	t.Helper()
	head, body, _ := strings.Cut(fmt.Sprintf(hixieDrafts[draft].request, path), "\r\n\r\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r, body
}

// TestHixieSilent has clients that take their time in the handshake, and then say
// nothing for an hour.
func TestHixieSilent(t *testing.T) {
	eachHixie(t, func(t *testing.T, draft int) {
		inBubble(t, func(t *testing.T, s *web.Server, _ *hub.Hub) {
			server, client := net.Pipe()
			defer client.Close()
			r, body := hixieRequest(t, draft, "/ws/chat")
			go s.ServeHTTP(pipeWriter{httptest.NewRecorder(), server}, r)
			readHead(t, client)
			time.Sleep(4 * time.Second)
			fmt.Fprint(client, body)
			if _, err := readBytes(client, hixieDrafts[draft].rest); err != nil {
				t.Fatalf("no digest: %v", err)
			}
			time.Sleep(time.Hour)
			want := "\x00hello\xff"
			fmt.Fprint(client, want)
			if got, err := readBytes(client, len(want)); got != want {
				t.Errorf("got %q, %v after an hour; want %q", got, err, want)
			}
		})
	})
}

// politePipe is the server's end of a pipe whose client goes when the server has
// said all it will.
type politePipe struct {
	net.Conn
	client net.Conn
}

func newPolitePipe() (server politePipe, client net.Conn) {
	s, c := net.Pipe()
	return politePipe{s, c}, c
}

// CloseWrite is how the server says so.
func (p politePipe) CloseWrite() error { return p.client.Close() }

// TestHixieGoodbye shuts a server down whose client says goodbye when it hears so,
// and is not waited for any longer.
func TestHixieGoodbye(t *testing.T) {
	eachHixie(t, func(t *testing.T, draft int) {
		inBubble(t, func(t *testing.T, s *web.Server, _ *hub.Hub) {
			server, client := newPolitePipe()
			defer client.Close()
			r, body := hixieRequest(t, draft, "/ws/chat")
			go s.ServeHTTP(pipeWriter{httptest.NewRecorder(), server}, r)
			readHead(t, client)
			fmt.Fprint(client, body)
			if _, err := readBytes(client, hixieDrafts[draft].rest); err != nil {
				t.Fatalf("no digest: %v", err)
			}
			synctest.Wait()
			start := time.Now()
			done := make(chan error)
			go func() { done <- s.Shutdown(t.Context()) }()
			if draft == 1 {
				if got, err := readBytes(client, 2); got != "\xff\x00" {
					t.Errorf("got %q, %v; want the closing handshake", got, err)
				}
				fmt.Fprint(client, "\xff\x00")
			}
			if err := <-done; err != nil || time.Since(start) != 0 {
				t.Errorf("shutdown: %v after %v, want it at once", err, time.Since(start))
			}
		})
	})
}

// TestHixie76BodyIsAwaited has a handshake stop before its body or in it: it is
// given up after five seconds, or at once when the client goes.
func TestHixie76BodyIsAwaited(t *testing.T) {
	for name, begin := range map[string]string{"nothing": "", "seven bytes": "^n:ds[4"} {
		for _, goes := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, goes=%t", name, goes), func(t *testing.T) {
				inBubble(t, func(t *testing.T, s *web.Server, _ *hub.Hub) {
					server, client := net.Pipe()
					defer client.Close()
					r, _ := hixieRequest(t, 1, "/ws/chat")
					handled := make(chan struct{})
					go func() {
						defer close(handled)
						s.ServeHTTP(pipeWriter{httptest.NewRecorder(), server}, r)
					}()
					readHead(t, client)
					fmt.Fprint(client, begin)
					want := 5 * time.Second
					if goes {
						want = 0
						_ = client.Close()
					}
					start := time.Now()
					<-handled
					if took := time.Since(start); took != want {
						t.Errorf("the server waited for %v, want %v", took, want)
					}
				})
			})
		}
	}
}

// A connection that cannot be taken over leaves nothing behind.
func TestHixieWithoutHijack(t *testing.T) {
	s := newTestServer(t, withLegacy)
	eachHixie(t, func(t *testing.T, draft int) {
		w := httptest.NewRecorder()
		r, _ := hixieRequest(t, draft, "/ws/chat")
		s.web.ServeHTTP(w, r)
		if w.Code != http.StatusInternalServerError {
			t.Errorf("status %d, want 500", w.Code)
		}
		if n := s.web.NumSessions() + s.hub.NumSubscribers("chat"); n != 0 {
			t.Errorf("%d sessions and subscribers left", n)
		}
	})
}
