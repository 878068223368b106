package redisbroker_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// lines is the wire format of tests that need only one.
var lines = hubtest.Lines{}

// keeping are rules with a history that holds a whole test.
var keeping = hub.Rules{{Match: "*", ServerPublish: true, History: hub.History{Size: 10_000, TTL: time.Minute}}}

// redisNode runs a hub on a Redis URL, which need not answer.
func redisNode(t *testing.T, url string) (h *hub.Hub, stop func()) {
	t.Helper()
	b, err := redisbroker.New(redisbroker.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return hubtest.Run(t, hub.Options{Broker: b})
}

// redisNodes runs the hubs of n nodes on one Redis and waits until they are
// ready.
func redisNodes(t *testing.T, r *hubtest.RedisServer, n int) (hubs []*hub.Hub, stop []func()) {
	t.Helper()
	for range n {
		h, end := redisNode(t, r.URL())
		hubs, stop = append(hubs, h), append(stop, end)
	}
	for _, h := range hubs {
		waitReady(t, h, hubtest.Patience)
	}
	return hubs, stop
}

func waitReady(t *testing.T, h *hub.Hub, within time.Duration) {
	t.Helper()
	hubtest.Eventually(t, within, func() bool { return h.Ready(context.Background()) == nil }, "the hub is ready")
}

func redisHub(t testing.TB, r *hubtest.RedisServer, rules hub.Rules) *hub.Hub {
	t.Helper()
	return redisHubAt(t, r.URL(), rules)
}

func redisHubAt(t testing.TB, url string, rules hub.Rules) *hub.Hub {
	t.Helper()
	h, _ := brokerHub(t, url, rules)
	return h
}

// brokerHub is redisHubAt, with the broker.
func brokerHub(t testing.TB, url string, rules hub.Rules) (*hub.Hub, *redisbroker.Broker) {
	t.Helper()
	b, err := redisbroker.New(redisbroker.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	h, _ := hubtest.Run(t, hub.Options{Broker: b, Rules: rules})
	hubtest.Eventually(t, hubtest.Patience, func() bool { return h.Ready(t.Context()) == nil }, "the broker is ready")
	return h, b
}

func redisBroker(t *testing.T, o redisbroker.Options) *redisbroker.Broker {
	t.Helper()
	b, err := redisbroker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// publishErr publishes what is not expected to be accepted.
func publishErr(h *hub.Hub, key string) error { return hubtest.TryPublish(h, "chat", "x", key) }

// wantAlive checks that within the time whatever is published to a channel
// arrives at its subscriber again.
func wantAlive(t *testing.T, h *hub.Hub, channel string, r *hubtest.Recorder, within time.Duration) {
	t.Helper()
	before := r.Len()
	hubtest.Eventually(t, within, func() bool {
		_ = hubtest.TryPublish(h, channel, "alive", "")
		return r.Len() > before
	}, channel+" is live again")
}

// redisSays sends a command to a Redis and returns the answer as text.
func redisSays(t testing.TB, r *hubtest.RedisServer, args ...any) string {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: r.Addr()})
	defer c.Close()
	answer, err := c.Do(t.Context(), args...).Result()
	if err != nil {
		t.Fatalf("redis: %v: %v", args, err)
	}
	return fmt.Sprint(answer)
}

// wantForward checks, on a machine that may be busy, that the date did not stop
// and struck no second twice.
func wantForward(t *testing.T, date *hubtest.Recorder) {
	t.Helper()
	ticks := date.Messages()
	for i := 1; i < len(ticks); i++ {
		if d := ticks[i].Tick - ticks[i-1].Tick; d < 1 || d > 3 {
			t.Errorf("%s: %s follows %s", date.ID(), ticks[i].Data, ticks[i-1].Data)
		}
	}
	if n := len(ticks); n == 0 || time.Now().Unix()-ticks[n-1].Tick > 3 {
		t.Errorf("%s: the date stopped at %q", date.ID(), date.Data())
	}
}

// lockedBuffer is a buffer that several goroutines may write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// killPubSub cuts the connections over which messages come, of every node.
func killPubSub(t *testing.T, r *hubtest.RedisServer) {
	t.Helper()
	o, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	defer c.Close()
	if err := c.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
}
