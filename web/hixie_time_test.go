package web_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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
