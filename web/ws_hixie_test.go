package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"belfry/hub/hubtest"
	"belfry/web"
)

// hixieClient is a client of hixie-75 or hixie-76.
type hixieClient struct {
	t testing.TB
	*net.TCPConn
	in *bufio.Reader
}

// hixieDrafts are what a client sends for each draft, with a place for the path,
// and how many bytes come behind the head of the answer.
var hixieDrafts = []struct {
	name, request string
	rest          int
}{
	{"75", "GET %s HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: x\r\nOrigin: http://x\r\n\r\n", 0},
	{"76", "GET %s HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: x\r\nOrigin: http://x\r\n" +
		"Sec-WebSocket-Key1: 4 @1  46546xW%%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U", 16},
}

// eachHixie runs a test for each of the two drafts.
func eachHixie(t *testing.T, test func(t *testing.T, draft int)) {
	t.Helper()
	for i, d := range hixieDrafts {
		t.Run(d.name, func(t *testing.T) { test(t, i) })
	}
}

func (s *testServer) dialHixie(t testing.TB, draft int, path string) *hixieClient {
	t.Helper()
	return openHixie(t, s.dialTCP(t), draft, path)
}

// openHixie makes the handshake on a connection.
func openHixie(t testing.TB, conn *net.TCPConn, draft int, path string) *hixieClient {
	t.Helper()
	c := &hixieClient{t: t, TCPConn: conn}
	c.in = bufio.NewReader(c)
	d := hixieDrafts[draft]
	if _, err := fmt.Fprintf(c, d.request, path); err != nil {
		t.Fatal(err)
	}
	for line := ""; line != "\r\n"; {
		before := line
		var err error
		if line, err = c.in.ReadString('\n'); err != nil {
			t.Fatalf("no answer to the handshake but %q, %v", before+line, err)
		}
		if before == "" && !strings.HasPrefix(line, "HTTP/1.1 101 Web") {
			t.Fatalf("hixie-%s at %s: %s", d.name, path, line)
		}
	}
	if _, err := c.in.Discard(d.rest); err != nil {
		t.Fatalf("no digest: %v", err)
	}
	return c
}

// write sends bytes as they are.
func (c *hixieClient) write(bytes string) {
	c.t.Helper()
	if _, err := io.WriteString(c, bytes); err != nil {
		c.t.Fatalf("write %.20q: %v", bytes, err)
	}
}

func (c *hixieClient) say(text string) { c.t.Helper(); c.write("\x00" + text + "\xff") }

// hear returns the next message, or what comes in its place.
func (c *hixieClient) hear() (string, error) {
	frame, err := c.in.ReadString(0xFF)
	if err != nil || frame[0] != 0 {
		return frame, fmt.Errorf("got %.100q, %w; want a text frame", frame, err)
	}
	return frame[1 : len(frame)-1], nil
}

// hears skips messages until one is wanted.
func (c *hixieClient) hears(want func(string) bool, what string) string {
	c.t.Helper()
	for range 100 {
		text, err := c.hear()
		if err != nil {
			c.t.Fatalf("no %s: %v", what, err)
		}
		if want(text) {
			return text
		}
	}
	c.t.Fatalf("no %s in 100 messages", what)
	return ""
}

// ended skips messages, checks that the server says goodbye as the draft has it,
// and answers.
func (c *hixieClient) ended(draft int) {
	c.t.Helper()
	if draft == 1 {
		c.closing()
		c.write("\xff\x00")
	}
	rest, err := io.ReadAll(c.in)
	if err != nil || draft == 1 && len(rest) > 0 || strings.HasSuffix(string(rest), "\xff\x00") {
		c.t.Errorf("the end was %.100q, %v; want the end of the stream", rest, err)
	}
}

// closing skips messages until the closing handshake.
func (c *hixieClient) closing() {
	c.t.Helper()
	for {
		text, err := c.hear()
		if text == "\xff" {
			break
		}
		if err != nil {
			c.t.Fatalf("no closing handshake but %.100q, %v", text, err)
		}
	}
	if second, err := c.in.ReadByte(); second != 0 {
		c.t.Errorf("FF %02X, %v in place of the closing handshake", second, err)
	}
}

func isText(want string) func(string) bool { return func(text string) bool { return text == want } }

func TestHixieEcho(t *testing.T) {
	t.Parallel()
	eachHixie(t, func(t *testing.T, draft int) {
		s := newTestServer(t, withLegacy)
		stays, c := s.dialHixie(t, draft, "/echo"), s.dialHixie(t, draft, "/echo")
		c.hears(isDate, "date")
		for _, text := range []string{"hello", "", "späte Grüße ✓", strings.Repeat("x", 64<<10)} {
			c.say(text)
			c.hears(isText(text), "echo")
		}
		c.say("quit")
		c.ended(draft)
		stays.hears(func(text string) bool { return strings.HasSuffix(text, " left") }, "line about who left")
	})
}

// TestHixieChat has clients of every wire format on one channel.
func TestHixieChat(t *testing.T) {
	s := newTestServer(t, withLegacy)
	now := s.dial(t, "/ws/chat")
	old := []*hixieClient{s.dialHixie(t, 0, "/ws/chat"), s.dialHixie(t, 1, "/ws/chat")}
	said := []string{"from 13", "from 75", "from 76", `{"v":1}`}
	now.say(said[0])
	for i, text := range said {
		if got := now.hear(); got != text {
			t.Fatalf("13 heard %q, want %q", got, text)
		}
		for draft, c := range old {
			if got, err := c.hear(); got != text || err != nil {
				t.Fatalf("%s heard %q, %v; want %q", hixieDrafts[draft].name, got, err, text)
			}
		}
		switch i {
		case 0, 1:
			old[i].say(said[i+1])
		case 2:
			s.publish(t, "chat", `{ "v": 1 }`)
		}
	}
	c := s.dialHixie(t, 1, "/ws/news")
	c.say("me too")
	c.ended(1)
}

func TestHixieBadFrames(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) { withLegacy(o); o.Limits.Message = 1000 })
	eachHixie(t, func(t *testing.T, draft int) {
		for name, bytes := range map[string]string{
			"over the limit":              "\x00" + strings.Repeat("x", 1001) + "\xff",
			"far over the limit":          "\x00" + strings.Repeat("x", 8<<20),
			"not UTF-8":                   "\x00a\x80\xff",
			"a surrogate":                 "\x00\xed\xa0\x80\xff",
			"a rune that FF cuts":         "\x00\xc3\xff(\xff",
			"a length of too many groups": "\x80" + strings.Repeat("\x80", 100),
		} {
			t.Run(name, func(t *testing.T) {
				c := s.dialHixie(t, draft, "/ws/chat")
				// The server does not wait for all of a message that it has refused.
				go func() { _, _ = io.WriteString(c, bytes) }()
				c.ended(draft)
			})
		}
	})
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 0 }, "no sessions")
}

func TestHixieShutdown(t *testing.T) {
	s := newTestServer(t, withLegacy)
	clients := []*hixieClient{s.dialHixie(t, 0, "/ws/chat"), s.dialHixie(t, 1, "/ws/chat")}
	done := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), hubtest.Patience)
		defer cancel()
		done <- s.web.Shutdown(ctx)
	}()
	for draft, c := range clients {
		c.ended(draft)
		_ = c.Close()
	}
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	conn := s.dialTCP(t)
	fmt.Fprintf(conn, hixieDrafts[1].request, "/ws/chat")
	if answer, _ := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(answer, " 503 ") {
		t.Errorf("after the shutdown: %q, want 503", answer)
	}
}

// A client whose handshake is under way when the server goes down is told as well.
func TestHixieHandshakeInShutdown(t *testing.T) {
	s := newTestServer(t, withLegacy)
	conn := s.dialTCP(t)
	head, key, _ := strings.Cut(fmt.Sprintf(hixieDrafts[1].request, "/ws/chat"), "\r\n\r\n")
	c := &hixieClient{t: t, TCPConn: conn, in: bufio.NewReader(conn)}
	c.write(head + "\r\n\r\n")
	if line, err := c.in.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 101 ") {
		t.Fatalf("%q, %v", line, err)
	}
	if err := s.web.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.write(key)
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = c.in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.in.Discard(hixieDrafts[1].rest); err != nil {
		t.Fatalf("no digest: %v", err)
	}
	c.ended(1)
}

// TestHixieDeafIsEvicted has a client that stops reading beside one that reads.
func TestHixieDeafIsEvicted(t *testing.T) {
	t.Parallel()
	eachHixie(t, func(t *testing.T, draft int) {
		s := newTestServer(t, func(o *web.Options) { withLegacy(o); withSmallBuffer(o) })
		reads := s.dialHixie(t, draft, "/ws/news")
		openHixie(t, s.dialDeaf(t), draft, "/ws/news")
		s.evictDeaf(t, func(text string) { reads.hears(isText(text), "message") })
		hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 1 }, "one session")
		s.publish(t, "news", `"after"`)
		reads.hears(isText("after"), "message after the eviction")
	})
}

// A client that goes, by the closing handshake or without a word, leaves nothing
// behind.
func TestHixieGone(t *testing.T) {
	s := newTestServer(t, withLegacy)
	for _, c := range []*hixieClient{s.dialHixie(t, 0, "/ws/chat"), s.dialHixie(t, 1, "/ws/chat")} {
		_ = c.Close()
	}
	half := s.dialHixie(t, 0, "/ws/chat")
	_ = half.CloseWrite()
	half.ended(0)
	polite := s.dialHixie(t, 1, "/ws/chat")
	polite.write("\xff\x00")
	polite.closing()
	if rest, err := io.ReadAll(polite.in); err != nil || len(rest) > 0 {
		t.Errorf("after the closing handshake: %q, %v", rest, err)
	}
	_, _ = half.Close(), polite.Close()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 0 }, "no sessions")
	if n := s.hub.NumSubscribers("chat"); n != 0 {
		t.Errorf("%d subscribers left", n)
	}
}
