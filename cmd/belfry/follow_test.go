package main

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"belfry/hub/hubtest"
)

// fakeServer accepts WebSockets and lets a function speak, which is told how
// many came before. The connection closes when it returns.
func fakeServer(t *testing.T, speak func(c *fakeConn, before int)) string {
	t.Helper()
	var connections atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		defer conn.Close()
		speak(&fakeConn{t, conn}, int(connections.Add(1))-1)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// fakeConn is the server's end. Its methods run on a goroutine of the server,
// so that they do not end the test.
type fakeConn struct {
	t    *testing.T
	conn *websocket.Conn
}

func (c *fakeConn) say(text string) {
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Logf("say %s: %v", text, err)
	}
}

func (c *fakeConn) hear(want string) {
	_ = c.conn.SetReadDeadline(time.Now().Add(hubtest.Patience))
	_, text, err := c.conn.ReadMessage()
	if err != nil || !strings.Contains(string(text), want) {
		c.t.Errorf("the server heard %q, %v; want %s", text, err, want)
	}
}

func (c *fakeConn) closeWith(code int, reason string) {
	_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
	_, _, _ = c.conn.ReadMessage()
}

// greet answers connect and the subscription to one channel.
func (c *fakeConn) greet() {
	c.hear(`"connect":{`)
	c.say(`{"id":1,"connect":{"client":"c","ping":25,"pong":true}}`)
	c.hear(`{"id":2,"subscribe":{"channel":"news"}}`)
	c.say(`{"id":2,"subscribe":{}}`)
}

const newsPush = `{"push":{"channel":"news","pub":{"data":1}}}`

// TestCloseCodes ends a first connection with a code, and serves a second.
func TestCloseCodes(t *testing.T) {
	cases := []struct {
		code  int
		final bool
	}{
		{1000, false}, {1001, false}, {1009, true}, {1011, false},
		{3000, false}, {3499, false}, {3500, true}, {3501, true}, {3999, true},
		{4000, false}, {4499, false}, {4500, true}, {4999, true},
	}
	for _, tc := range cases {
		t.Run(fmt.Sprint(tc.code), func(t *testing.T) {
			t.Parallel()
			server := fakeServer(t, func(c *fakeConn, before int) {
				c.greet()
				if before == 0 {
					c.closeWith(tc.code, "the reason")
					return
				}
				c.say(newsPush)
				c.closeWith(1000, "")
			})
			got := belfry(t, "", "subscribe", "--server", server, "--count", "1", "news")
			trouble := fmt.Sprintf("belfry: the server closed the connection: the reason (close code %d)", tc.code)
			switch {
			case !strings.Contains(got.err, trouble):
				t.Errorf("it does not say %q:\n%s", trouble, got.err)
			case tc.final && (got.code != 1 || got.out != ""):
				t.Errorf("got %+v, want the end", got)
			case !tc.final && (got.code != 0 || !strings.HasSuffix(got.out, "news  1\n")):
				t.Errorf("got %+v, want to be back", got)
			}
		})
	}
}

// TestServersThatMakeNoSense looks at what a client makes of other servers.
func TestServersThatMakeNoSense(t *testing.T) {
	cases := []struct {
		name  string
		speak func(c *fakeConn, before int)
		want  string
	}{
		{"no JSON", func(c *fakeConn, _ int) { c.say("Fri, 20 Nov"); c.closeWith(1000, "") }, "the server does not speak the Centrifuge protocol in JSON"},
		{"connect refused", func(c *fakeConn, _ int) {
			c.hear("connect")
			c.say(`{"id":1,"error":{"code":101,"message":"unauthorized"}}`)
			c.closeWith(1000, "")
		}, "the server refuses the connection: unauthorized"},
		{"unsubscribed for good", func(c *fakeConn, _ int) {
			c.greet()
			c.say(`{"push":{"channel":"news","unsubscribe":{"code":2000,"reason":"enough"}}}`)
			c.closeWith(1000, "")
		}, "not subscribed to news: the server ended it: enough\nbelfry: no channel is left to follow"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := belfry(t, "", "subscribe", "--server", fakeServer(t, tc.speak), "news")
			if got.code != 1 || !strings.HasSuffix(got.err, "belfry: "+tc.want+"\n") {
				t.Errorf("got %+v, want exit code 1 and %q", got, tc.want)
			}
		})
	}
	t.Run("no WebSocket", func(t *testing.T) {
		s := httptest.NewServer(http.NotFoundHandler())
		defer s.Close()
		got := belfry(t, "", "subscribe", "--server", s.URL, "news")
		if got.code != 1 || !strings.HasPrefix(got.err, "belfry: "+s.URL+" answers 404 Not Found, and not as Belfry does") {
			t.Errorf("got %+v", got)
		}
	})
}

// TestSkipsWhatItCannotRead has a server send what a client of today cannot read
// between two messages, the first of which begins in the same frame.
func TestSkipsWhatItCannotRead(t *testing.T) {
	deep := strings.Repeat("[", 9998) + strings.Repeat("]", 9998)
	for name, unread := range map[string]string{
		"too many levels":      `{"push":{"channel":"news","pub":{"data":` + deep + `}}}`,
		"half of an object":    "{",
		"no JSON":              "Fri, 20 Nov",
		"another type":         `{"push":{"channel":7,"pub":{"data":3}}}`,
		"an offset below zero": `{"push":{"channel":"news","pub":{"data":3,"offset":-1}}}`,
		"an ID that is a text": `{"id":"2"}`,
	} {
		t.Run(name, func(t *testing.T) {
			server := fakeServer(t, func(c *fakeConn, _ int) {
				c.greet()
				c.say(newsPush + "\n" + unread)
				for range 50 {
					c.say(unread)
				}
				c.say(unread + "\n" + strings.Replace(newsPush, "1", "2", 1))
				_, _, _ = c.conn.ReadMessage()
			})
			got := belfry(t, "", "subscribe", "--server", server, "--count", "2", "news")
			if got.code != 0 || !strings.Contains(got.out, "news  1\n") || !strings.HasSuffix(got.out, "news  2\n") {
				t.Errorf("got %+v, want both messages", got)
			}
			told := strings.Count(got.err, "belfry: skipped what cannot be read of what the server sent")
			if told == 0 || told > 10 || strings.Contains(got.err, "broke") || strings.Contains(got.err, "again") {
				t.Errorf("it says %d times that something was skipped, or that it connects again:\n%.2000s", told, got.err)
			}
		})
	}
}

// TestTrouble has connections that end in other ways, each followed by a good
// one.
func TestTrouble(t *testing.T) {
	cases := []struct {
		name  string
		speak func(c *fakeConn)
		want  string
	}{
		{"broken off", func(c *fakeConn) { c.greet() }, "the connection broke; trying again"},
		{"broken off early", func(*fakeConn) {}, "the connection broke; trying again"},
		{"temporary error of connect", func(c *fakeConn) {
			c.hear("connect")
			c.say(`{"id":1,"error":{"code":100,"message":"later","temporary":true}}`)
		}, "the server refuses the connection: later; trying again"},
		{"temporary error of subscribe", func(c *fakeConn) {
			c.hear("connect")
			c.say(`{"id":1,"connect":{"client":"c"}}`)
			c.hear("subscribe")
			c.say(`{"id":2,"error":{"code":100,"message":"later","temporary":true}}`)
		}, "news: later; trying again"},
		{"a frame without end", func(c *fakeConn) {
			c.greet()
			header := binary.BigEndian.AppendUint64([]byte{0x81, 127}, maxFrame+1)
			_, _ = c.conn.NetConn().Write(header)
			_, _, _ = c.conn.ReadMessage()
		}, "read limit exceeded; trying again"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := fakeServer(t, func(c *fakeConn, before int) {
				if before == 0 {
					tc.speak(c)
					return
				}
				c.greet()
				c.say(newsPush)
				_, _, _ = c.conn.ReadMessage()
			})
			got := belfry(t, "", "subscribe", "--server", server, "--count", "1", "news")
			if got.code != 0 || !strings.Contains(got.err, tc.want) || !strings.HasSuffix(got.out, "news  1\n") {
				t.Errorf("got %+v, want %q and then the message", got, tc.want)
			}
		})
	}
}

func TestResubscribes(t *testing.T) {
	server := fakeServer(t, func(c *fakeConn, _ int) {
		c.greet()
		c.say(`{"push":{"channel":"news","unsubscribe":{"code":2500,"reason":"insufficient state"}}}`)
		c.hear(`{"id":3,"subscribe":{"channel":"news"}}`)
		c.say(`{"id":3,"subscribe":{}}` + "\n" + newsPush + "\n")
		_, _, _ = c.conn.ReadMessage()
	})
	got := belfry(t, "", "subscribe", "--server", server, "--count", "1", "news")
	if got.code != 0 || !strings.Contains(got.err, "subscribed to news again") || !strings.HasSuffix(got.out, "news  1\n") {
		t.Errorf("got %+v", got)
	}
}

// TestPingIsAnswered has two pings, one beside a message.
func TestPingIsAnswered(t *testing.T) {
	server := fakeServer(t, func(c *fakeConn, _ int) {
		c.greet()
		c.say("{}")
		c.hear("{}")
		c.say("{}\n" + newsPush)
		c.hear("{}")
		_, _, _ = c.conn.ReadMessage()
	})
	if got := belfry(t, "", "subscribe", "--server", server, "--count", "1", "news"); got.code != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestSilence dials a server that promises pings and sends none.
func TestSilence(t *testing.T) {
	server := fakeServer(t, func(c *fakeConn, _ int) {
		c.hear("connect")
		c.say(`{"id":1,"connect":{"client":"c","ping":7}}`)
		_, _, _ = c.conn.ReadMessage()
	})
	c, err := dial(t.Context(), serverURL(server), "", func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if c.quiet != 7*time.Second+pingGrace {
		t.Errorf("the server is gone after %v without a word, want its ping interval and %v", c.quiet, pingGrace)
	}
	c.quiet = 20 * time.Millisecond
	if _, err := c.hear(0); err == nil || explain(err).Error() != "the server is silent" {
		t.Errorf("got %v", err)
	}
}

// TestEndsWhileConnecting cancels a client whose server never answers.
func TestEndsWhileConnecting(t *testing.T) {
	f := subscribe(t, "", "--server", fakeServer(t, func(c *fakeConn, _ int) {
		c.hear("connect")
		_, _, _ = c.conn.ReadMessage()
	}), "news")
	f.cancel()
	if code := f.exit(); code != 0 {
		t.Errorf("exit code %d: %s", code, &f.err)
	}
}

func TestBackoff(t *testing.T) {
	for attempts, most := range []time.Duration{1000, 1500, 2500, 4500, 8500, 16500, 20000, 20000} {
		least, longest := time.Hour, time.Duration(0)
		for range 2000 {
			wait := backoff(attempts)
			least, longest = min(least, wait), max(longest, wait)
		}
		most *= time.Millisecond
		spread := most - minBackoff
		if least < minBackoff || longest > most || least > minBackoff+spread/10 || longest < most-spread/10 {
			t.Errorf("after %d attempts: %v to %v, want %v to %v", attempts, least, longest, minBackoff, most)
		}
	}
	if got := backoff(1 << 40); got > maxBackoff {
		t.Errorf("after many attempts: %v", got)
	}
}
