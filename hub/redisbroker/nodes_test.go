package redisbroker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// lines is the wire format of tests that need only one.
var lines = hubtest.Lines{}

// keeping are rules with a history that holds a whole test. The date has none: it is
// struck at any time, so that one Redis would have more than another.
var (
	keptHistory = hub.History{Size: 10_000, TTL: time.Hour}
	keepingRule = hub.Rule{Match: "*", ServerPublish: true, History: keptHistory}
	keeping     = hub.Rules{{Match: hub.DateChannel}, keepingRule}
)

// patient are options with which a Redis that is slow, because the machine is, is not
// taken for away. Tests in which it hangs have those without.
func patient(url string) redisbroker.Options {
	o := redisbroker.Options{URL: url, Timeout: hubtest.Patience}
	o.SetWitnessPatience(hubtest.Patience)
	return o
}

// redisNode runs a hub on a Redis URL, which need not answer.
func redisNode(t *testing.T, url string) (h *hub.Hub, stop func()) {
	t.Helper()
	return hubtest.Run(t, hub.Options{Broker: redisBroker(t, patient(url))})
}

// impatientHub runs a hub that takes a Redis which hangs for away as soon as any does,
// and waits until it is ready.
func impatientHub(t *testing.T, url string, rules hub.Rules) *hub.Hub {
	t.Helper()
	h, _ := hubtest.Run(t, hub.Options{Broker: redisBroker(t, redisbroker.Options{URL: url}), Rules: rules})
	waitReady(t, h)
	return h
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
		waitReady(t, h)
	}
	return hubs, stop
}

func waitReady(t testing.TB, h *hub.Hub) {
	t.Helper()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return h.Ready(context.Background()) == nil }, "the hub is ready")
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
	b := redisBroker(t, patient(url))
	h, _ := hubtest.Run(t, hub.Options{Broker: b, Rules: rules})
	waitReady(t, h)
	return h, b
}

func redisBroker(t testing.TB, o redisbroker.Options) *redisbroker.Broker {
	t.Helper()
	b, err := redisbroker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// publishErr publishes what is not expected to be accepted.
func publishErr(h *hub.Hub, key string) error { return hubtest.TryPublish(h, "chat", "x", key) }

// wantAlive checks that what is published to a channel arrives at its subscriber
// again.
func wantAlive(t *testing.T, h *hub.Hub, channel string, r *hubtest.Recorder) {
	t.Helper()
	before := r.Len()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		_ = hubtest.TryPublish(h, channel, "alive", "")
		return r.Len() > before
	}, channel+" is live again")
}

// redisSays sends a command to a Redis and returns the answer as text.
func redisSays(t testing.TB, r *hubtest.RedisServer, args ...any) string {
	t.Helper()
	answer, err := askRedis(t, r, args...)
	if err != nil {
		t.Fatalf("redis: %v: %v", args, err)
	}
	return fmt.Sprint(answer)
}

// askRedis is redisSays for what may be refused.
func askRedis(t testing.TB, r *hubtest.RedisServer, args ...any) (any, error) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: r.Addr()})
	defer c.Close()
	return c.Do(t.Context(), args...).Result()
}

// wantForward checks that the date goes on, and has struck no second twice. How late
// a tick may be is no question to a machine that is busy.
func wantForward(t *testing.T, date *hubtest.Recorder) {
	t.Helper()
	date.Wait(t, date.Len()+2)
	ticks := date.Messages()
	for i, m := range ticks {
		if i > 0 && m.Tick <= ticks[i-1].Tick || m.Time != m.Tick*1000 {
			t.Errorf("%s: of %q the tick %d is of %d, at %d", date.ID(), date.Data(), i, m.Tick, m.Time)
		}
	}
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
