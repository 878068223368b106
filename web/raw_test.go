package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"belfry/hub"
	"belfry/web"
)

func isDate(text string) bool {
	_, err := http.ParseTime(text)
	return err == nil
}

func notDate(text string) bool { return !isDate(text) }

// TestEchoStrikesTheDate wants a second between two dates, soon: a busy machine
// may miss one.
func TestEchoStrikesTheDate(t *testing.T) {
	t.Parallel()
	c := newTestServer(t, nil).dial(t, "/echo")
	first := c.hearUntil(isDate, "date")
	for range 10 {
		second := c.hearUntil(isDate, "date")
		a, _ := http.ParseTime(first)
		b, _ := http.ParseTime(second)
		if b.Sub(a) == time.Second {
			return
		}
		if first = second; b.Sub(a) < time.Second {
			t.Fatalf("date %v comes after %v", b, a)
		}
	}
	t.Error("none of ten dates came a second after the one before")
}

func TestEcho(t *testing.T) {
	c := newTestServer(t, nil).dial(t, "/echo")
	for _, text := range []string{"hello", "", "späte Grüße ✓", `{"json": 1}`, strings.Repeat("x", 64<<10)} {
		c.say(text)
		if got := c.hearUntil(notDate, "echo"); got != text {
			t.Errorf("echo of %d bytes: got %.60q, want %.60q", len(text), got, text)
		}
	}
	c.say("quit")
	if code, _ := c.closed(); code != websocket.CloseNormalClosure {
		t.Errorf("quit: close code %d, want 1000", code)
	}
}

func TestEchoSaysWhoLeft(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	stays, leaves := s.dial(t, "/echo"), s.dial(t, "/echo")
	leaves.say("here")
	leaves.hearUntil(notDate, "echo")
	stays.say("here too")
	stays.hearUntil(notDate, "echo")
	leaves.say("quit")
	if got := stays.hearUntil(notDate, "line about who left"); !strings.HasPrefix(got, "guest-") || !strings.HasSuffix(got, " left") {
		t.Errorf("got %q, want who left", got)
	}
}

func TestRawStreamSaysTextOrCompactJSON(t *testing.T) {
	s := newTestServer(t, nil)
	c := s.dial(t, "/ws/news")
	cases := []struct{ data, want string }{
		{`"plain text"`, "plain text"},
		{`"a \"quoted\" line\nand another"`, "a \"quoted\" line\nand another"},
		{`{ "v" : [ 1 , 2 ] }`, `{"v":[1,2]}`},
		{`42`, `42`},
		{`null`, `null`},
		{`""`, ``},
	}
	for _, tc := range cases {
		s.publish(t, "news", tc.data)
		if got := c.hear(); got != tc.want {
			t.Errorf("data %s: got %q, want %q", tc.data, got, tc.want)
		}
	}
}

func TestRawClientsPublishWhereTheRulesAllow(t *testing.T) {
	s := newTestServer(t, nil)
	a, b := s.dial(t, "/ws/chat-lobby"), s.dial(t, "/ws/chat-lobby")
	for _, text := range []string{"hello", `{"name":"Ann","text":"hi"}`, `42`, `{not json`} {
		a.say(text)
		for _, c := range []*client{a, b} {
			if got := c.hear(); got != text {
				t.Errorf("got %q, want %q", got, text)
			}
		}
	}
	c := s.dial(t, "/ws/news")
	c.say("me too")
	if code, reason := c.closed(); code != websocket.ClosePolicyViolation || reason == "" {
		t.Errorf("publishing to news: close %d %q, want 1008 and a reason", code, reason)
	}
}

func TestRawChannelNames(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Rules: hub.Rules{{Match: "a*", ServerPublish: true}}})
	})
	c := s.dial(t, "/ws/a%2Fb%20c")
	s.publish(t, "a/b c", `"found"`)
	if got := c.hear(); got != "found" {
		t.Errorf("escaped channel name: got %q", got)
	}
	cases := []struct {
		name, path string
		status     int
	}{
		{"longest", "/ws/" + strings.Repeat("a", 255), http.StatusSwitchingProtocols},
		{"too long", "/ws/" + strings.Repeat("a", 256), http.StatusBadRequest},
		{"control character", "/ws/a%00", http.StatusBadRequest},
		{"not UTF-8", "/ws/a%ff", http.StatusBadRequest},
		{"no rule", "/ws/b", http.StatusNotFound},
		{"empty", "/ws/", http.StatusBadRequest},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+tc.path, nil)
			if err == nil {
				conn.Close()
			}
			if response == nil || response.StatusCode != tc.status {
				t.Errorf("got %v (%v), want status %d", response, err, tc.status)
			}
		})
	}
}

func TestBadFrames(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) { o.Limits.Message = 1000 })
	cases := []struct {
		name, path string
		kind       int
		message    string
		code       int
	}{
		{"not UTF-8, raw", "/echo", websocket.TextMessage, "a\xffb", 1007},
		{"not UTF-8, Centrifuge", "/connection/websocket", websocket.TextMessage, "\xc0\x80", 1007},
		{"binary, raw", "/ws/chat", websocket.BinaryMessage, "x", 1003},
		{"binary, Centrifuge", "/connection/websocket", websocket.BinaryMessage, "x", 3501},
		{"over the limit, raw", "/ws/chat", websocket.TextMessage, strings.Repeat("x", 1001), 1009},
		{"over the limit, Centrifuge", "/connection/websocket", websocket.TextMessage, strings.Repeat(" ", 1001), 1009},
		{"far over the limit", "/connection/websocket", websocket.TextMessage, strings.Repeat("x", 16<<20), 1009},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := s.dial(t, tc.path)
			// The server does not wait for all of a message that it has refused.
			go func() { _ = c.WriteMessage(tc.kind, []byte(tc.message)) }()
			if code, _ := c.closed(); code != tc.code {
				t.Errorf("close code %d, want %d", code, tc.code)
			}
		})
	}
}
