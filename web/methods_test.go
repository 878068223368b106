package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"belfry/web"
)

// everyMethod are those of HTTP, one of WebDAV, and one that is nobody's.
var everyMethod = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND", "DANCE"}

// TestMethods asks every path by every method: OPTIONS names those that are answered,
// GET is never without HEAD, and any other is 405 with the same names.
func TestMethods(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withLegacy)
	for _, path := range paths(t, func(string) bool { return true }) {
		asked, _ := http.NewRequest(http.MethodOptions, s.URL+path, nil)
		status, header, _ := do(t, asked)
		allow := header.Get("Allow")
		named := strings.Split(allow, ", ")
		if status != http.StatusNoContent || !slices.Contains(named, "OPTIONS") || slices.Contains(named, "GET") != slices.Contains(named, "HEAD") {
			t.Errorf("OPTIONS %s: %d, Allow: %q", path, status, allow)
		}
		for _, method := range everyMethod {
			r, _ := http.NewRequest(method, s.URL+path, nil)
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			response.Body.Close()
			if (response.StatusCode == http.StatusMethodNotAllowed) == slices.Contains(named, method) {
				t.Errorf("%s %s: %s, and Allow: %s", method, path, response.Status, allow)
			}
			if got := response.Header.Get("Allow"); response.StatusCode == http.StatusMethodNotAllowed && got != allow {
				t.Errorf("%s %s: 405 with Allow: %q, want %q", method, path, got, allow)
			}
		}
	}
	for _, method := range everyMethod {
		r, _ := http.NewRequest(method, s.URL+"/no/such/place", nil)
		if status, header, _ := do(t, r); status != http.StatusNotFound || header.Get("Allow") != "" {
			t.Errorf("%s where there is nothing: %d, Allow: %q", method, status, header.Get("Allow"))
		}
	}
}

// TestHead asks for heads: they are those of GET without a body, and the connection
// serves another request. Where GET would open a stream or a session, none is.
func TestHead(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { withLegacy(o); o.CrossDomain = []byte("<cross-domain-policy/>") })
	conn := s.dialTCP(t)
	in := bufio.NewReader(conn)
	for target, want := range map[string]struct {
		status      int
		contentType string
	}{
		"/": {200, "text/html"}, "/socketexample": {200, "text/html"}, "/belfry.js": {200, "text/javascript"}, "/static/base.css": {200, "text/css"},
		"/healthz": {200, "text/plain"}, "/readyz": {200, "text/plain"}, "/api/openapi.yaml": {200, "application/yaml"},
		"/crossdomain.xml": {200, "text/x-cross-domain-policy"}, "/nowhere": {404, "application/json"}, "/api/publish": {405, "application/json"},
		"/events?channel=chat": {200, "text/event-stream"}, "/connection/sse?cf_connect=" + `{"id":1,"connect":{}}`: {200, "text/event-stream"},
		"/ws/chat?via=events": {200, "text/event-stream"}, "/ws/chat?via=poll": {426, "application/json"}, "/echo": {426, "application/json"},
		"/ws/a%00": {400, "application/json"}, "/connection/websocket": {426, "application/json"}, "/emulation": {405, "application/json"},
	} {
		fmt.Fprintf(conn, "HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n", target)
		r, _ := http.NewRequest(http.MethodHead, s.URL, nil)
		answer, err := http.ReadResponse(in, r)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if got := answer.Header.Get("Content-Type"); answer.StatusCode != want.status || !strings.HasPrefix(got, want.contentType) {
			t.Errorf("HEAD %s: %s %s; want %d %s", target, answer.Status, got, want.status, want.contentType)
		}
	}
	handshake := strings.Replace(handshake("/ws/chat", goodKey, versionField("13")), "GET", "HEAD", 1)
	if answer, _ := s.ask(t, handshake); answer.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a handshake by HEAD: %s", answer.Status)
	}
	if n := s.web.NumSessions() + s.hub.NumSubscribers("chat"); n != 0 {
		t.Errorf("%d sessions and subscribers were made by HEAD", n)
	}
	if status := s.statusOf(t, http.MethodHead, "/events?channel=chat", "", []string{"Origin: http://evil.example"}); status != http.StatusForbidden {
		t.Errorf("a page of another site asks for the head of a stream: %d", status)
	}
}

// TestRefusedHandshakes wants nothing that comes behind a handshake to be read as a
// request, whatever it was refused for: its last bytes, or frames that were sent too
// early.
func TestRefusedHandshakes(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { withLegacy(o); o.Hosts = []string{"x"} })
	masked := []string{goodKey, versionField("13")}
	hixie := []string{goodKey1, goodKey2}
	for name, head := range map[string]string{
		"hixie-76 of another site":      handshake("/echo", append(hixie, "Origin: http://evil.test")...),
		"hixie-76 with a bad key":       handshake("/echo", goodKey1, "Sec-WebSocket-Key2: x"),
		"hixie-76 at Centrifuge's":      handshake("/connection/websocket", hixie...),
		"hixie-76 at a bad channel":     handshake("/ws/a%00", hixie...),
		"hixie-76 at nothing":           handshake("/nowhere", hixie...),
		"hixie-76 of another name":      handshake("/echo", append(hixie, "Host: evil.test", "Origin: ")...),
		"hixie-76 with a strange query": handshake("/echo?via=pigeon", hixie...),
		"hixie-76 by POST":              strings.Replace(handshake("/echo", hixie...), "GET", "POST", 1),
		"hixie-75 of another site":      handshake("/echo", "Origin: http://evil.test"),
		"8 of another site":             handshake("/echo", goodKey, versionField("8"), "Origin: http://evil.test"),
		"13 without a key":              handshake("/echo", versionField("13")),
		"14":                            handshake("/echo", goodKey, versionField("14")),
		"13 with a body":                handshake("/echo", append(masked, "Content-Length: 8")...),
	} {
		t.Run(name, func(t *testing.T) {
			conn := s.dialTCP(t)
			_, _ = io.WriteString(conn, head+"^n:ds[4UGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
			_ = conn.CloseWrite()
			answer, err := io.ReadAll(conn)
			first, rest, _ := strings.Cut(string(answer), "\r\n\r\n")
			if !strings.HasPrefix(first, "HTTP/1.1 4") || !strings.Contains(first, "Connection: close") || strings.Contains(rest, "HTTP/1.1") {
				t.Errorf("got %q, %v; want one answer, and the end", answer, err)
			}
		})
	}
}
