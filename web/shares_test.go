package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"belfry/hub/hubtest"
	"belfry/web"
)

// dialFrom connects from an address of this machine.
func (s *testServer) dialFrom(t testing.TB, host string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}
	conn, err := d.DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// comers are the ways to come in, each with what a flood of it asks for again and
// again without going.
var comers = map[string]string{
	"WebSocket":         handshake("/ws/chat", goodKey, versionField("13")),
	"hixie-75":          handshake("/ws/chat"),
	"Centrifuge":        handshake("/connection/websocket", goodKey, versionField("13")),
	"stream":            "POST /ws/chat?via=stream HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	"Centrifuge stream": "GET /connection/sse?cf_connect={%22id%22:1,%22connect%22:{}} HTTP/1.1\r\nHost: x\r\n\r\n",
	"event stream":      "GET /events?channel=chat HTTP/1.1\r\nHost: x\r\n\r\n",
	"long-poll":         "GET /events?channel=chat HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n",
}

// A flood from one address takes no other's place, whatever way it comes: each way
// is counted, and they are counted together.
func TestHonestClientsComeInDuringAFlood(t *testing.T) {
	const all, most = 40, 36
	for name, request := range comers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestServer(t, func(o *web.Options) { withLegacy(o); o.Limits.Connections = all })
			for range most {
				if _, err := io.WriteString(s.dialFrom(t, "127.0.0.2"), request); err != nil {
					t.Fatal(err)
				}
			}
			hubtest.Eventually(t, hubtest.Patience, func() bool { return s.isFullFor(t, "127.0.0.2") }, "the flood is refused")
			honest := s.dialFrom(t, "127.0.0.3")
			_, _ = io.WriteString(honest, comers["WebSocket"])
			if answer, err := http.ReadResponse(bufio.NewReader(honest), nil); err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
				t.Errorf("an honest client: %v, %v", answer, err)
			}
		})
	}
}

// isFullFor reports whether one more from an address is refused, and told why.
func (s *testServer) isFullFor(t *testing.T, host string) bool {
	t.Helper()
	conn := s.dialFrom(t, host)
	defer conn.Close()
	_, _ = io.WriteString(conn, comers["WebSocket"])
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode == http.StatusSwitchingProtocols {
		return false
	}
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "limits.connections") {
		t.Errorf("refused with %s %s", answer.Status, body)
	}
	return true
}

// Sessions over HTTP/2 need no connection of their own, and count all the same; so
// do those of which a client has heard by a second request.
func TestSessionsOverOneConnectionCount(t *testing.T) {
	const all, most = 40, 36
	s := newTestServer(t, func(o *web.Options) { o.Limits.Connections = all })
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: p, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return s.dialFrom(t, "127.0.0.2"), nil
	}}
	defer transport.CloseIdleConnections()
	post := func(query string) (int, string) {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/ws/chat?via=poll"+query, nil)
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(body)
	}
	for i := range most {
		status, body := post("")
		if status != http.StatusOK {
			t.Fatalf("session %d: %d %s", i, status, body)
		}
		if name := strings.Split(body, `"`)[3]; i%2 == 0 {
			post(fmt.Sprintf("&session=%s&pad", name)) // pad: it does not wait
		}
	}
	if status, body := post(""); status != http.StatusTooManyRequests || !strings.Contains(body, "limits.connections") {
		t.Errorf("one more: %d %s", status, body)
	}
	if s.isFullFor(t, "127.0.0.3") {
		t.Error("another address is refused")
	}
}
