package web_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"belfry/hub/hubtest"
	"belfry/web"
)

// handshake is the head of a request, of which a field that is given replaces
// one before, and an empty one leaves it out.
func handshake(path string, fields ...string) string {
	all := append([]string{"Host: x", "Connection: Upgrade", "Upgrade: WebSocket", "Origin: http://x"}, fields...)
	var names []string
	values := make(map[string]string)
	for _, field := range all {
		name, value, _ := strings.Cut(field, ": ")
		if _, has := values[name]; !has {
			names = append(names, name)
		}
		values[name] = value
	}
	var b strings.Builder
	b.WriteString("GET " + path + " HTTP/1.1\r\n")
	for _, name := range names {
		if values[name] != "" {
			b.WriteString(name + ": " + values[name] + "\r\n")
		}
	}
	return b.String() + "\r\n"
}

// ask sends a request and returns the answer, of which the body is read.
func (s *testServer) ask(t testing.TB, request string) (*http.Response, string) {
	t.Helper()
	conn := s.dialTCP(t)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v\n%s", err, request)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return answer, ""
	}
	body, _ := io.ReadAll(answer.Body)
	return answer, string(body)
}

const (
	goodKey1 = "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5"
	goodKey2 = "Sec-WebSocket-Key2: 12998 5 Y3 1  .P00"
	goodKey  = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
)

func versionField(n string) string { return "Sec-WebSocket-Version: " + n }

func TestHandshakes(t *testing.T) {
	t.Parallel()
	legacy := newTestServer(t, withLegacy)
	strict := newTestServer(t, nil)
	keys := func(fields ...string) []string { return append([]string{goodKey1, goodKey2}, fields...) }
	masked := func(n string, fields ...string) []string {
		return append([]string{goodKey, versionField(n)}, fields...)
	}
	cases := []struct {
		name   string
		s      *testServer
		path   string
		fields []string
		status int
		reason string
	}{
		{"75", legacy, "/echo", nil, 101, ""},
		{"75 without origin", legacy, "/echo", []string{"Origin: "}, 101, ""},
		{"75 from elsewhere", legacy, "/echo", []string{"Origin: http://evil.test"}, 403, "origin"},
		{"75 from a file", legacy, "/echo", []string{"Origin: file://"}, 403, "origin"},
		{"75 with a body", legacy, "/echo", []string{"Content-Length: 8"}, 400, "hixie-75 none"},
		{"75 in chunks", legacy, "/echo", []string{"Transfer-Encoding: chunked"}, 400, "hixie-75 none"},
		{"75 switched off", strict, "/echo", nil, 400, "legacy.enabled"},
		{"75 at Centrifuge's", legacy, "/connection/websocket", nil, 400, "RFC 6455"},
		{"75 on no such channel", legacy, "/ws/a%00", nil, 400, "channel"},
		{"76", legacy, "/echo", keys(), 101, ""},
		{"76 without origin", legacy, "/echo", keys("Origin: "), 101, ""},
		{"76 from elsewhere", legacy, "/echo", keys("Origin: http://evil.test"), 403, "origin"},
		{"76 with another body", legacy, "/echo", keys("Content-Length: 9"), 400, "eight bytes"},
		{"76 switched off", strict, "/echo", keys(), 400, "legacy.enabled"},
		{"76 at Centrifuge's", legacy, "/connection/websocket", keys(), 400, "RFC 6455"},
		{"76 without spaces", legacy, "/echo", keys("Sec-WebSocket-Key1: 12345"), 400, "Sec-WebSocket-Key1: want"},
		{"76 with a remainder", legacy, "/echo", keys("Sec-WebSocket-Key1: 1 2 5"), 400, "Sec-WebSocket-Key1: want"},
		{"76 with a number over 32 bits", legacy, "/echo", keys("Sec-WebSocket-Key2: 4294967296 x"), 400, "Sec-WebSocket-Key2: want"},
		{"76 with a number over 64 bits", legacy, "/echo", keys("Sec-WebSocket-Key2: 184467440737095516 16 x"), 400, "Sec-WebSocket-Key2: want"},
		{"76 with a long key", legacy, "/echo", keys("Sec-WebSocket-Key2: 1 " + strings.Repeat("x", 256)), 400, "Sec-WebSocket-Key2: want"},
		{"76 with one key", legacy, "/echo", []string{goodKey1}, 400, "Sec-WebSocket-Key2: want"},
		{"76 with the other key", legacy, "/echo", []string{goodKey2}, 400, "Sec-WebSocket-Key1: want"},
		{"hybi-02", legacy, "/echo", keys("Sec-WebSocket-Draft: 2"), 400, "hybi-01"},
		{"hybi-02 switched off", strict, "/echo", keys("Sec-WebSocket-Draft: 2"), 400, "legacy.enabled"},
		{"hybi-02 at Centrifuge's", legacy, "/connection/websocket", keys("Sec-WebSocket-Draft: 2"), 400, "RFC 6455"},
		{"hybi-05", legacy, "/echo", masked("5"), 426, "13, 8 and 7"},
		{"7", legacy, "/echo", masked("7"), 101, ""},
		{"7 switched off", strict, "/echo", masked("7"), 400, "legacy.enabled"},
		{"8", legacy, "/ws/chat", masked("8"), 101, ""},
		{"8 from here", legacy, "/echo", masked("8", "Origin: ", "Sec-WebSocket-Origin: http://x"), 101, ""},
		{"8 from elsewhere", legacy, "/echo", masked("8", "Origin: ", "Sec-WebSocket-Origin: http://evil.test"), 403, "origin"},
		{"8 from two places", legacy, "/echo", masked("8", "Sec-WebSocket-Origin: http://evil.test"), 403, "origin"},
		{"8 at Centrifuge's", legacy, "/connection/websocket", masked("8"), 400, "RFC 6455"},
		{"13", legacy, "/echo", masked("13"), 101, ""},
		{"13 where drafts are off", strict, "/echo", masked("13"), 101, ""},
		{"13 at Centrifuge's", strict, "/connection/websocket", masked("13"), 101, ""},
		{"13 from elsewhere by another name", strict, "/connection/websocket", masked("13", "Sec-WebSocket-Origin: http://evil.test"), 403, "origin"},
		{"13 with a short key", strict, "/connection/websocket", masked("13", "Sec-WebSocket-Key: x"), 101, ""},
		{"13 with the longest key", legacy, "/echo", masked("13", "Sec-WebSocket-Key: "+strings.Repeat("k", 256)), 101, ""},
		{"13 with too long a key", legacy, "/echo", masked("13", "Sec-WebSocket-Key: "+strings.Repeat("k", 257)), 400, "1 to 256 bytes"},
		{"13 without a key", legacy, "/echo", []string{versionField("13")}, 400, "1 to 256 bytes"},
		{"13 with a body", legacy, "/echo", masked("13", "Content-Length: 5"), 400, "has no body"},
		{"13 in chunks", strict, "/connection/websocket", masked("13", "Transfer-Encoding: chunked"), 400, "has no body"},
		{"13 with an empty body", legacy, "/ws/chat", masked("13", "Content-Length: 0"), 101, ""},
		{"8 with a body", legacy, "/echo", masked("8", "Content-Length: 5"), 400, "has no body"},
		{"a key without a version", legacy, "/echo", []string{goodKey}, 426, "13, 8 and 7"},
		{"14", strict, "/echo", masked("14"), 426, "13 is"},
		{"14 at Centrifuge's", legacy, "/connection/websocket", masked("14"), 426, "13 is"},
		{"no upgrade", legacy, "/echo", []string{"Upgrade: "}, 426, "Upgrade: websocket"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			answer, body := tc.s.ask(t, handshake(tc.path, tc.fields...))
			if answer.StatusCode != tc.status || !strings.Contains(body, tc.reason) {
				t.Errorf("got %s %s; want %d and %q", answer.Status, body, tc.status, tc.reason)
			}
		})
	}
	for s, want := range map[*testServer]string{legacy: "13, 8, 7", strict: "13"} {
		if answer, _ := s.ask(t, handshake("/echo", masked("99")...)); answer.Header.Get("Sec-Websocket-Version") != want {
			t.Errorf("the answer to version 99 offers %q, want %q", answer.Header.Get("Sec-Websocket-Version"), want)
		}
	}
}

// What a client says of itself comes back in the answer, and must not become
// lines of it.
func TestHostileHandshakes(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) { withLegacy(o); o.Origins = []string{"*"} })
	for name, fields := range map[string][]string{
		"line ends in Host":      {"Host: x\r\nSet-Cookie: a=b", "Origin: "},
		"a bare CR in Host":      {"Host: x\rSet-Cookie: a=b", "Origin: "},
		"NUL in Host":            {"Host: x\x00y", "Origin: "},
		"a space in Host":        {"Host: x y", "Origin: "},
		"markup in Host":         {"Host: <script>", "Origin: "},
		"high bytes in Host":     {"Host: \xff\xfe", "Origin: "},
		"a bare CR in Origin":    {"Origin: http://x\rSet-Cookie: a=b"},
		"NUL in Origin":          {"Origin: http://x\x00"},
		"a bare CR in Protocol":  {"WebSocket-Protocol: a\rSet-Cookie: a=b"},
		"a folded Protocol":      {"WebSocket-Protocol: a\r\n Set-Cookie: a=b"},
		"a subprotocol of three": {goodKey, versionField("13"), "Sec-WebSocket-Protocol: a b c"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := s.dialTCP(t)
			if _, err := io.WriteString(conn, handshake("/ws/chat", fields...)); err != nil {
				t.Fatal(err)
			}
			head := readHead(t, conn)
			for line := range strings.SplitSeq(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n") {
				if strings.ContainsAny(line, "\r\n\x00") || strings.HasPrefix(line, "Set-Cookie") || line == "Sec-WebSocket-Protocol: a b c" {
					t.Errorf("the answer has the line %q:\n%s", line, head)
				}
			}
		})
	}
}

// readHead reads to the empty line.
func readHead(t *testing.T, in io.Reader) string {
	t.Helper()
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		if _, err := io.CopyN(&head, in, 1); err != nil {
			t.Fatalf("the answer ends with %q: %v", head.String(), err)
		}
	}
	return head.String()
}

// A proxy that sees no answer forwards no body.
func TestHixie76AnswersBeforeTheBody(t *testing.T) {
	s := newTestServer(t, withLegacy)
	conn := s.dialTCP(t)
	fmt.Fprint(conn, handshake("/ws/chat", goodKey1, goodKey2))
	if head := readHead(t, conn); !strings.HasPrefix(head, "HTTP/1.1 101 WebSocket Protocol Handshake\r\n") {
		t.Fatalf("got %s", head)
	}
	if n := s.web.NumSessions() + s.hub.NumSubscribers("chat"); n != 0 {
		t.Errorf("%d sessions and subscribers before the body", n)
	}
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if got, err := readBytes(conn, 1); err == nil {
		t.Fatalf("got %q before the body", got)
	}
	_ = conn.SetReadDeadline(time.Now().Add(hubtest.Patience))
	fmt.Fprint(conn, "^n:ds[4U")
	if got, err := readBytes(conn, 16); got != "8jKS'y:G*Co,Wxa-" {
		t.Errorf("digest: %q, %v", got, err)
	}
}

// A handshake that ends before its body leaves nothing behind.
func TestHixie76WithoutBody(t *testing.T) {
	s := newTestServer(t, withLegacy)
	for name, begin := range map[string]string{"nothing": "", "seven bytes": "^n:ds[4"} {
		t.Run(name, func(t *testing.T) {
			conn := s.dialTCP(t)
			fmt.Fprint(conn, handshake("/ws/chat", goodKey1, goodKey2)+begin)
			readHead(t, conn)
			_ = conn.CloseWrite()
			if got, err := io.ReadAll(conn); err != nil || len(got) > 0 {
				t.Errorf("got %q, %v; want the end", got, err)
			}
		})
	}
}

func TestHixieLocation(t *testing.T) {
	s := newTestServer(t, withLegacy)
	for _, tc := range []struct {
		name, path string
		fields     []string
		want       string
	}{
		{"a query", "/ws/chat?a=b&c", nil, "ws://x/ws/chat?a=b&c"},
		{"an escaped path", "/ws/c%68at", nil, "ws://x/ws/c%68at"},
		{"a port", "/echo", []string{"Host: x:81", "Origin: http://x:81"}, "ws://x:81/echo"},
		{"a whole URL", "http://y:82/echo?q", []string{"Origin: http://y:82"}, "ws://y:82/echo?q"},
		{"behind TLS", "/echo", []string{"X-Forwarded-Proto: https"}, "wss://x/echo"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			answer, body := s.ask(t, handshake(tc.path, tc.fields...))
			if got := answer.Header.Get("Websocket-Location"); got != tc.want {
				t.Errorf("got %s %q, want %q %s", answer.Status, got, tc.want, body)
			}
		})
	}
}

// A refused body is waited for as long as an answer takes to arrive, and no longer.
func TestHixieBodyIsNotAwaited(t *testing.T) {
	onPipes(t, func(t *testing.T, dial func() net.Conn, _ *web.Server, _ *http.Server) {
		conn, start := dial(), time.Now()
		go func() { _, _ = io.WriteString(conn, handshake("/echo", "Content-Length: 100")) }()
		if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
			t.Errorf("got %q, %v", answer, err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("the server waited for %v, want 2 s at most", took)
		}
	})
}

// answerFields are what an answer of 101 may say.
var answerFields = []string{"Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Origin", "Sec-WebSocket-Location",
	"Sec-WebSocket-Protocol", "WebSocket-Origin", "WebSocket-Location", "WebSocket-Protocol"}

// answersHTTP matches the begin of an answer of HTTP/1. One to a request of version
// 1.0 has that version.
var answersHTTP = regexp.MustCompile(`^HTTP/1\.[01] [1-5]\d\d `)

// FuzzHandshake sends bytes to the server, which answers something well formed,
// and lets the connection go when they end.
func FuzzHandshake(f *testing.F) {
	for _, fields := range [][]string{
		nil, {goodKey1, goodKey2}, {goodKey, versionField("8"), "Sec-WebSocket-Origin: http://x", "Sec-WebSocket-Protocol: a, b"},
		{goodKey, versionField("13")}, {"WebSocket-Protocol: a"}, {"Sec-WebSocket-Draft: 2"},
	} {
		f.Add([]byte(handshake("/ws/chat?a", fields...) + "^n:ds[4U\x00hello\xff\xff\x00"))
	}
	f.Add([]byte("POST /ws/chat HTTP/1.0\r\n\r\n")) // is answered in its own version
	f.Add([]byte("DELETE /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"))
	f.Add([]byte(h2Preface)) // is answered in frames
	s := newTestServer(f, withLegacy)
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn := s.dialTCP(t)
		if _, err := conn.Write(sent); err == nil {
			_ = conn.CloseWrite()
		}
		answer, err := io.ReadAll(io.LimitReader(conn, 1<<20))
		if errors.Is(err, os.ErrDeadlineExceeded) { // a reset is an end, too
			t.Errorf("the server keeps the connection after %q", sent)
		}
		_ = conn.Close()
		head, _, _ := strings.Cut(string(answer), "\r\n\r\n")
		status, lines, _ := strings.Cut(head, "\r\n")
		if !strings.HasPrefix(status, "HTTP/1.1 101 ") {
			if len(answer) > 0 && !answersHTTP.Match(answer) && !bytes.HasPrefix(sent, []byte(h2Preface[:16])) {
				t.Errorf("the answer to %q is %.100q", sent, answer)
			}
			return
		}
		for line := range strings.SplitSeq(lines, "\r\n") {
			name, _, ok := strings.Cut(line, ": ")
			if !ok || !slices.Contains(answerFields, name) || strings.ContainsAny(line, "\r\n\x00") {
				t.Errorf("the answer has the line %q:\n%s", line, head)
			}
		}
	})
}
