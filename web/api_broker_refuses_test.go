package web_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
	"belfry/web"
)

// newRedisServer has a history on every channel, in Redis.
func newRedisServer(t *testing.T, r *hubtest.RedisServer) *testServer {
	t.Helper()
	b, err := redisbroker.New(redisbroker.Options{URL: r.URL()})
	if err != nil {
		t.Fatal(err)
	}
	rules := hub.Rules{{Match: "*", ServerPublish: true, ClientPublish: true, History: hub.History{Size: 100, TTL: time.Minute}}}
	s := newTestServer(t, func(o *web.Options) { o.Hub = hub.New(hub.Options{Broker: b, Rules: rules}) })
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.Ready(t.Context()) == nil }, "the broker is ready")
	return s
}

// TestBrokerRefuses makes a real Redis refuse: publishers hear 503 and why,
// subscribers stay, and hear what is published when it is over.
func TestBrokerRefuses(t *testing.T) {
	cases := []struct {
		name       string
		begin, end []any
		says       string
	}{
		{"out of memory", []any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"},
			"Redis is out of memory; nothing was done, try again"},
		{"read-only", []any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"},
			"Redis is read-only; nothing was done, try again"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := hubtest.Redis(t)
			s := newRedisServer(t, r)
			c, plain := s.dialCentrifuge(t), s.dial(t, "/ws/news")
			c.say(sub(2, "news"))
			c.hear()
			tell(t, r, tc.begin...)
			s.wantRefused(t, tc.says)
			c.say(`{"id":3,"publish":{"channel":"news","data":"refused"}}`)
			if got, want := c.hear(), `{"id":3,"error":{"code":100,"message":"`+tc.says+`","temporary":true}}`; got != want {
				t.Errorf("Centrifuge publish\n got %s\nwant %s", got, want)
			}
			c.say(`{"id":4,"history":{"channel":"news"}}`)
			if got := c.hear(); !strings.HasPrefix(got, `{"id":4,"history":{"publications":[],"epoch":"`) {
				t.Errorf("history: got %s", got)
			}
			tell(t, r, tc.end...)
			s.publish(t, "news", `"over"`)
			if got := c.hear(); !strings.Contains(got, `"pub":{"data":"over","offset":1}`) {
				t.Errorf("when it is over the subscriber hears %s", got)
			}
			if got := plain.hear(); got != "over" {
				t.Errorf("when it is over the raw subscriber hears %q", got)
			}
			if !strings.Contains(s.log.String(), "level=WARN") {
				t.Error("the log does not say what is wrong")
			}
		})
	}
}

// wantRefused checks what publishers hear.
func (s *testServer) wantRefused(t *testing.T, says string) {
	t.Helper()
	for path, body := range map[string]string{
		"/api/publish":   `{"channel":"news","data":"refused"}`,
		"/api/broadcast": `{"channels":["news","other"],"data":"refused"}`,
		"/api/batch":     `{"commands":[{"publish":{"channel":"news","data":"refused"}},{"publish":{"channel":"other","data":"refused"}}]}`,
	} {
		status, answer := s.call(t, path, body, "X-API-Key", testKey)
		if got, want := fmt.Sprint(answer["error"]), "map[code:100 message:"+says+" temporary:true]"; status != 503 || got != want {
			t.Errorf("%s: %d %v, want 503 %s", path, status, answer, want)
		}
	}
}

// tell sends a command to a Redis.
func tell(t *testing.T, r *hubtest.RedisServer, command ...any) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: r.Addr()})
	defer c.Close()
	if err := c.Do(t.Context(), command...).Err(); err != nil {
		t.Fatalf("%v: %v", command, err)
	}
}

// TestBrokerStandsStill pauses a real Redis: a publisher hears before Redis goes on
// that nobody knows what became of its message, and a subscriber hears it once
// afterwards.
func TestBrokerStandsStill(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	s := newRedisServer(t, r)
	c := s.dialCentrifuge(t)
	c.say(sub(2, "news"))
	c.hear()
	const body = `{"channel":"news","data":"perhaps","idempotency_key":"k"}`
	before := 0
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		r.Resume()
		s.publish(t, "news", `"before"`)
		c.hear()
		before++
		r.Pause()
		status, answer := s.call(t, "/api/publish", body, "X-API-Key", testKey)
		if status != 503 || answer["result"] != nil {
			t.Errorf("%d %v, want 503", status, answer)
		}
		// On a busy machine no connection may be left over which to send it.
		return strings.Contains(fmt.Sprint(answer), "whether it was published is not known")
	}, "nobody knows whether it was published")
	status, answer := s.call(t, "/api/history", `{"channel":"news","limit":1}`, "X-API-Key", testKey)
	if text := fmt.Sprint(answer); status != 503 || !strings.Contains(text, "whether it was done is not known") || strings.Contains(text, "idempotency") {
		t.Errorf("history: %d %v, want 503 and nothing about publishing", status, answer)
	}
	r.Resume()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		status, _ = s.call(t, "/api/publish", body, "X-API-Key", testKey)
		return status == 200
	}, "the publish is accepted")
	s.publish(t, "news", `"end"`)
	for i, want := range []string{"perhaps", "end"} {
		if got := c.hear(); got != fmt.Sprintf(`{"push":{"channel":"news","pub":{"data":%q,"offset":%d}}}`, want, before+i+1) {
			t.Errorf("heard %s, want %s with offset %d", got, want, before+i+1)
		}
	}
}
