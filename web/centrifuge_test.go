package web_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/web"
)

const connect = `{"id":1,"connect":{}}`

// dialCentrifuge opens a connection and says connect.
func (s *testServer) dialCentrifuge(t testing.TB) *client {
	t.Helper()
	c := s.dial(t, "/connection/websocket")
	c.say(connect)
	if got := c.hear(); !strings.HasPrefix(got, `{"id":1,"connect":{"client":"`) {
		t.Fatalf("connect: got %s", got)
	}
	return c
}

func TestCentrifugeConnect(t *testing.T) {
	c := newTestServer(t, nil).dial(t, "/connection/websocket")
	c.say(connect)
	var reply struct {
		ID      int
		Connect map[string]any
	}
	if err := json.Unmarshal([]byte(c.hear()), &reply); err != nil {
		t.Fatal(err)
	}
	if reply.ID != 1 || reply.Connect["client"] == "" || reply.Connect["ping"] != 25.0 || reply.Connect["pong"] != true || reply.Connect["version"] != "belfry test" {
		t.Errorf("connect: got %v", reply)
	}
}

// TestCentrifugeExchanges says one frame after connect and hears one.
func TestCentrifugeExchanges(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) { o.Limits.Subscriptions = 2 })
	long := strings.Repeat("x", 256)
	cases := []struct{ name, say, hear string }{
		{"subscribe", `{"id":2,"subscribe":{"channel":"news"}}`, `{"id":2,"subscribe":{}}`},
		{"subscribe with unknown fields", `{"id":2,"subscribe":{"channel":"news","new":1},"also":{}}`, `{"id":2,"subscribe":{}}`},
		{"subscribe twice", sub(2, "news") + "\n" + sub(3, "news"),
			`{"id":2,"subscribe":{}}` + "\n" + `{"id":3,"error":{"code":105,"message":"already subscribed"}}`},
		{"too many", sub(2, "a") + sub(3, "b") + sub(4, "c"),
			`{"id":2,"subscribe":{}}` + "\n" + `{"id":3,"subscribe":{}}` + "\n" + `{"id":4,"error":{"code":106,"message":"limit exceeded: limits.subscriptions"}}`},
		{"unsubscribe", sub(2, "a") + `{"id":3,"unsubscribe":{"channel":"a"}}`, `{"id":2,"subscribe":{}}` + "\n" + `{"id":3,"unsubscribe":{}}`},
		{"unsubscribe from nothing", `{"id":2,"unsubscribe":{"channel":"a"}}`, `{"id":2,"unsubscribe":{}}`},
		{"no channel", `{"id":2,"subscribe":{}}`, `{"id":2,"error":{"code":107,"message":"channel: it is empty"}}`},
		{"long channel", sub(2, long), `{"id":2,"error":{"code":107,"message":"channel: it has 256 bytes, at most 255 are accepted"}}`},
		{"publish", `{"id":2,"publish":{"channel":"chat","data":{"a": 1}}}`, `{"id":2,"publish":{}}`},
		{"publish denied", `{"id":2,"publish":{"channel":"news","data":1}}`, `{"id":2,"error":{"code":103,"message":"permission denied"}}`},
		{"publish nothing", `{"id":2,"publish":{"channel":"chat"}}`, `{"id":2,"error":{"code":107,"message":"data: is missing: any JSON value is accepted"}}`},
		{"ping", `{"id":2,"ping":{}}`, `{"id":2,"ping":{}}`},
		{"unknown method", `{"id":2,"dance":{}}`, `{"id":2,"error":{"code":104,"message":"method not found"}}`},
		{"rpc without a handler", `{"id":2,"rpc":{"method":"x"}}`, `{"id":2,"error":{"code":108,"message":"not available"}}`},
		{"refresh", `{"id":2,"refresh":{"token":"x"}}`, `{"id":2,"error":{"code":108,"message":"not available"}}`},
		{"refresh of a subscription", `{"id":2,"sub_refresh":{"channel":"a","token":"x"}}`, `{"id":2,"error":{"code":108,"message":"not available"}}`},
		{"presence without a rule for it", sub(2, "a") + `{"id":3,"presence":{"channel":"a"}}`,
			`{"id":2,"subscribe":{}}` + "\n" + `{"id":3,"error":{"code":108,"message":"not available: the rule of this channel has no presence"}}`},
		{"presence stats without a rule for it", sub(2, "a") + `{"id":3,"presence_stats":{"channel":"a"}}`,
			`{"id":2,"subscribe":{}}` + "\n" + `{"id":3,"error":{"code":108,"message":"not available: the rule of this channel has no presence"}}`},
		{"presence from outside", `{"id":2,"presence":{"channel":"chat"}}`, `{"id":2,"error":{"code":103,"message":"permission denied"}}`},
		{"presence stats from outside", `{"id":2,"presence_stats":{"channel":"chat"}}`, `{"id":2,"error":{"code":103,"message":"permission denied"}}`},
		{"empty lines and pongs", "\n{}\n\n" + `{"id":2,"ping":{}}` + "\n", `{"id":2,"ping":{}}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := s.dialCentrifuge(t)
			c.say(tc.say)
			if diff := cmp.Diff(tc.hear, c.hear()); diff != "" {
				t.Errorf("after %s (-want +got):\n%s", tc.say, diff)
			}
		})
	}
}

func sub(id int, channel string) string {
	return fmt.Sprintf("{\"id\":%d,\"subscribe\":{\"channel\":%q}}\n", id, channel)
}

func TestCentrifugeNonsenseCloses(t *testing.T) {
	s := newTestServer(t, nil)
	cases := []struct{ name, say string }{
		{"not JSON", "hello"},
		{"JSON of another kind", `[1]`},
		{"no ID", `{"subscribe":{"channel":"a"}}`},
		{"negative ID", `{"id":-2,"ping":{}}`},
		{"connect twice", `{"id":2,"connect":{}}`},
		{"good, then bad", `{"id":2,"ping":{}}` + "\nx"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := s.dialCentrifuge(t)
			c.say(tc.say)
			if code, _ := c.closed(); code != 3501 {
				t.Errorf("close code %d, want 3501", code)
			}
		})
	}
	t.Run("before connect", func(t *testing.T) {
		c := s.dial(t, "/connection/websocket")
		c.say(sub(1, "a"))
		if code, _ := c.closed(); code != 3501 {
			t.Errorf("close code %d, want 3501", code)
		}
	})
}

func TestCentrifugePublication(t *testing.T) {
	s := newTestServer(t, nil)
	c := s.dialCentrifuge(t)
	c.say(sub(2, "news"))
	c.hear()
	s.call(t, "/api/publish", `{"channel":"news","data":{"v":"<b>&"},"tags":{"k":"v"}}`, "X-API-Key", testKey)
	if got, want := c.hear(), `{"push":{"channel":"news","pub":{"data":{"v":"<b>&"},"tags":{"k":"v"}}}}`; got != want {
		t.Errorf("push\n got %s\nwant %s", got, want)
	}
}

// TestProtocolsMeet publishes from each protocol and hears it in each.
func TestProtocolsMeet(t *testing.T) {
	s := newTestServer(t, nil)
	plain, centrifuge := s.dial(t, "/ws/chat"), s.dialCentrifuge(t)
	centrifuge.say(sub(2, "chat"))
	centrifuge.hear()

	plain.say("from raw")
	if got := centrifuge.hear(); !strings.Contains(got, `"data":"from raw","info":{"user":"","client":"`) {
		t.Errorf("Centrifuge heard %s", got)
	}
	if got := plain.hear(); got != "from raw" {
		t.Errorf("raw heard itself as %q", got)
	}
	centrifuge.say(`{"id":3,"publish":{"channel":"chat","data":{"text":"from Centrifuge"}}}`)
	if got := plain.hear(); got != `{"text":"from Centrifuge"}` {
		t.Errorf("raw heard %q", got)
	}
}

// TestBusyJoin subscribes while messages fly: the answer comes first, then
// messages without a hole.
func TestBusyJoin(t *testing.T) {
	s := newTestServer(t, nil)
	publisher := s.dialCentrifuge(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 2000 {
			publisher.say(fmt.Sprintf(`{"id":%d,"publish":{"channel":"chat","data":%d}}`, i+2, i))
			publisher.hear()
		}
	}()
	for range 20 {
		c := s.dialCentrifuge(t)
		c.say(sub(2, "chat"))
		if got := c.hear(); !strings.HasPrefix(got, `{"id":2,"subscribe":{`) {
			t.Fatalf("first heard %s", got)
		}
		select {
		case <-done:
			return
		default:
			checkCounting(t, c, 20)
		}
	}
	<-done
}

// checkCounting hears n publications whose data count up by one.
func checkCounting(t *testing.T, c *client, n int) {
	t.Helper()
	last := -1
	for range n {
		var push struct {
			Push struct{ Pub struct{ Data int } }
		}
		if err := json.Unmarshal([]byte(c.hear()), &push); err != nil {
			t.Fatal(err)
		}
		if got := push.Push.Pub.Data; last >= 0 && got != last+1 {
			t.Fatalf("heard %d after %d", got, last)
		}
		if last = push.Push.Pub.Data; last == 1999 {
			return
		}
	}
}

// TestCentrifugeFloodIsRefused brings more messages in one frame than a session may
// publish at once. Those beyond are refused by code 111, and the next is slowed down.
func TestCentrifugeFloodIsRefused(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) { o.Limits.PublishRate = 10 })
	c := s.dialCentrifuge(t)
	var frame strings.Builder
	for i := range 100 {
		fmt.Fprintf(&frame, `{"id":%d,"publish":{"channel":"chat","data":1}}`+"\n", i+2)
	}
	c.say(frame.String())
	answer := c.hear()
	if n := strings.Count(answer, `"code":111`); n == 0 || n > 80 || !strings.Contains(answer, "limits.publish_rate") {
		t.Errorf("%d of 100 refused with 111, want 80, or less on a slow machine:\n%.300s", n, answer)
	}
	c.say(`{"id":200,"publish":{"channel":"chat","data":1}}`)
	if got := c.hear(); got != `{"id":200,"publish":{}}` {
		t.Errorf("the next: %s", got)
	}
}
