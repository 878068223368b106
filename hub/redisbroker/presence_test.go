package redisbroker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// presenceNode runs a hub whose clients are forgotten after so long. When others are
// to forget some of them, that is long enough for a machine that is busy to renew the
// leases of the rest.
func presenceNode(t testing.TB, addr string, ttl time.Duration) (h *hub.Hub, stop func()) {
	t.Helper()
	o := patient("redis://" + addr)
	o.PresenceTTL = ttl
	rules := hub.Rules{{Match: "chat*", ServerPublish: true, ClientPublish: true, Presence: true}, {Match: "*", ServerPublish: true}}
	h, stop = hubtest.Run(t, hub.Options{Broker: redisBroker(t, o), Rules: rules})
	waitReady(t, h)
	return h, stop
}

// remoteNode is one whose way to Redis can be cut.
func remoteNode(t *testing.T, r *hubtest.RedisServer, ttl time.Duration) (h *hub.Hub, cut, mend func()) {
	t.Helper()
	proxy := hubtest.NewProxy(t, r.Addr())
	h, _ = presenceNode(t, proxy.Addr(), ttl)
	return h, func() { proxy.Refuse(true); proxy.Cut() }, func() { proxy.Refuse(false) }
}

// sorted are what was heard, in the order of the names.
func sorted(all []string) []string {
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(a[1:]+a[:1], b[1:]+b[:1]) })
	return all
}

// A node that dies without a word is forgotten, and each of its clients leaves once,
// although two others take them out.
func TestRedisNodeDies(t *testing.T) {
	t.Parallel()
	const ttl, channels, each = 6 * time.Second, 20, 30
	r := hubtest.Redis(t)
	a, _ := presenceNode(t, r.Addr(), ttl)
	b, _ := presenceNode(t, r.Addr(), ttl)
	dying, cut, _ := remoteNode(t, r, ttl)
	var watchers []*hubtest.Recorder
	var want []string
	for i := range channels {
		channel := fmt.Sprint("chat:", i)
		_, w := hubtest.Enter(t, a, channel, hubtest.Client(fmt.Sprint("watcher", i)))
		watchers = append(watchers, w)
		hubtest.Enter(t, b, channel, hubtest.Client("stays"))
		for n := range each {
			hubtest.Enter(t, dying, channel, hubtest.Client(fmt.Sprintf("%02d", n)))
		}
	}
	for n := range each {
		want = append(want, fmt.Sprintf("+%02d", n), fmt.Sprintf("-%02d", n))
	}
	want = append(want, "+stays", "+later")
	cut()
	died := time.Now()
	for i := range channels {
		hubtest.WantPresent(t, a, fmt.Sprint("chat:", i), fmt.Sprint("stays watcher", i), 2)
	}
	t.Logf("forgotten after %s, of %s", time.Since(died).Round(time.Millisecond), ttl)
	// When its lease is gone nobody takes anybody out any more, and what comes behind
	// that shows that nothing is under way.
	hubtest.Eventually(t, hubtest.Patience, func() bool { return redisSays(t, r, "SCARD", "belfry:leases:dead") == "0" }, "the lease is gone")
	for i, w := range watchers {
		hubtest.Enter(t, b, fmt.Sprint("chat:", i), hubtest.Client("later"))
		hubtest.Eventually(t, hubtest.Patience, func() bool { return slices.Contains(w.JoinsAndLeaves(), "+later") }, "who comes later is heard of")
		if got := sorted(w.JoinsAndLeaves()); !slices.Equal(got, sorted(slices.Clone(want))) {
			t.Fatalf("%s heard %q", w.ID(), got)
		}
	}
	if keys := presenceKeys(t, r); len(keys) != 1+2+2*2*channels+1 {
		t.Errorf("%d keys are left: %q", len(keys), keys)
	}
}

// presenceKeys are those that presence has at Redis.
func presenceKeys(t testing.TB, r *hubtest.RedisServer) (keys []string) {
	t.Helper()
	for _, pattern := range []string{"*lease*", "*:members:*", "*:users:*"} {
		found := strings.Trim(redisSays(t, r, "KEYS", pattern), "[]")
		keys = append(keys, strings.Fields(found)...)
	}
	return keys
}

// A node that comes back after it was taken for dead brings its clients back, and
// the others hear of it.
func TestRedisNodeComesBack(t *testing.T) {
	t.Parallel()
	const ttl = 6 * time.Second
	r := hubtest.Redis(t)
	a, _ := presenceNode(t, r.Addr(), ttl)
	far, cut, mend := remoteNode(t, r, ttl)
	_, w := hubtest.Enter(t, a, "chat", hubtest.Client("watcher"))
	hubtest.Enter(t, far, "chat", hubtest.Client("stays"))
	leaver, _ := hubtest.Enter(t, far, "chat", hubtest.Client("leaves"))
	cut()
	hubtest.WantPresent(t, a, "chat", "watcher", 1)
	leaver.Cancel()
	hubtest.Enter(t, far, "chat", hubtest.Client("comes"))
	mend()
	hubtest.WantPresent(t, a, "chat", "comes stays watcher", 3)
	hubtest.Eventually(t, hubtest.Patience, func() bool { return len(w.JoinsAndLeaves()) >= 6 }, "the joins are heard")
	got := w.JoinsAndLeaves()
	slices.Sort(got[2:4])
	slices.Sort(got[4:])
	if want := []string{"+stays", "+leaves", "-leaves", "-stays", "+comes", "+stays"}; !slices.Equal(got, want) {
		t.Errorf("heard were %q, want %q", got, want)
	}
}

// A Redis that comes back without its data gets it again, and those who stayed
// are not heard of.
func TestRedisPresenceAfterDataLoss(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*hubtest.RedisServer){
		"restart": func(r *hubtest.RedisServer) { r.Stop(); r.Start() },
		"flush":   func(r *hubtest.RedisServer) { redisSays(t, r, "FLUSHALL") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const ttl = 8 * time.Second
			r := hubtest.Redis(t)
			a, _ := presenceNode(t, r.Addr(), ttl)
			b, _ := presenceNode(t, r.Addr(), ttl)
			_, w := hubtest.Enter(t, a, "chat", hubtest.Client("watcher"))
			var want []string
			for i := range 20 {
				name := fmt.Sprint("c", 10+i)
				hubtest.Enter(t, b, "chat", hubtest.Client(name))
				want = append(want, name)
			}
			hubtest.WantPresent(t, a, "chat", strings.Join(append(want, "watcher"), " "), 21)
			hubtest.Eventually(t, hubtest.Patience, func() bool { return len(w.JoinsAndLeaves()) == 20 }, "all joins are heard")
			before := len(w.JoinsAndLeaves())
			lose(r)
			hubtest.WantPresent(t, a, "chat", strings.Join(append(want, "watcher"), " "), 21)
			hubtest.Eventually(t, hubtest.Patience, func() bool { return a.Ready(t.Context()) == nil && b.Ready(t.Context()) == nil }, "both are back")
			late, _ := hubtest.Enter(t, b, "chat", hubtest.Client("late"))
			late.Cancel()
			hubtest.Eventually(t, hubtest.Patience, func() bool { return len(w.JoinsAndLeaves()) >= before+2 }, "who comes later is heard of")
			if got := w.JoinsAndLeaves()[before:]; !slices.Equal(got, []string{"+late", "-late"}) {
				t.Errorf("after the loss %q were heard", got)
			}
		})
	}
}

// Who comes and goes while Redis is away, or while it loses its data, is heard of
// when it is back.
func TestRedisPresenceWhileAway(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	a, _ := presenceNode(t, r.Addr(), 8*time.Second)
	b, _ := presenceNode(t, r.Addr(), 8*time.Second)
	_, w := hubtest.Enter(t, a, "chat", hubtest.Client("watcher"))
	_, _ = hubtest.Enter(t, b, "chat", hubtest.Client("stays"))
	leaver, _ := hubtest.Enter(t, b, "chat", hubtest.Client("leaves"))
	again, _ := hubtest.Enter(t, b, "chat", hubtest.Client("again"))
	w.WantJoinsAndLeaves(t, "+stays", "+leaves", "+again")
	r.Stop()
	leaver.Cancel()
	again.Cancel()
	start := time.Now()
	hubtest.Enter(t, b, "chat", hubtest.Client("again"))
	hubtest.Enter(t, b, "chat", hubtest.Client("comes"))
	passing, _ := hubtest.Enter(t, b, "chat", hubtest.Client("passes"))
	passing.Cancel()
	if d := time.Since(start); d > hubtest.Soon {
		t.Errorf("clients waited %s for a Redis that is away", d)
	}
	if _, err := a.Presence(t.Context(), "chat", 0); !errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("Presence without Redis = %v", err)
	}
	if _, err := a.PresenceStats(t.Context(), "chat"); !errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("PresenceStats without Redis = %v", err)
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return b.Ready(t.Context()) != nil }, "the loss is noticed")
	r.Start()
	hubtest.WantPresent(t, a, "chat", "again comes stays watcher", 4)
	if err := joinErr(b, "chat", "stays"); err != nil {
		t.Errorf("Join after the return = %v", err)
	}
}

// joinErr lets one who is there already join again.
func joinErr(h *hub.Hub, channel, name string) error {
	c := hubtest.Client(name)
	sub, err := h.Subscribe(context.Background(), channel, hubtest.NewRecorder(name), lines, hub.SubscribeOptions{Client: &c})
	if err == nil {
		sub.Cancel()
	}
	return err
}

// The broker itself says at once that Redis is away, and remembers who came.
func TestRedisJoinWhileAway(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	b := redisBroker(t, redisbroker.Options{URL: r.URL(), PresenceTTL: 2 * time.Second})
	h, _ := hubtest.Run(t, hub.Options{Broker: b})
	waitReady(t, h)
	for name, away := range map[string]struct{ begin, end func() }{
		"stopped": {r.Stop, func() { r.Start() }},
		"paused":  {r.Pause, r.Resume},
		"full": {
			func() { redisSays(t, r, "CONFIG", "SET", "maxmemory", "1") },
			func() { redisSays(t, r, "CONFIG", "SET", "maxmemory", "0") },
		},
	} {
		away.begin()
		start := time.Now()
		err := b.Join(t.Context(), "chat", hubtest.Client(name))
		if d := time.Since(start); !errors.Is(err, hub.ErrUnavailable) || d > hubtest.Soon {
			t.Errorf("Join while Redis is %s = %v after %s, want ErrUnavailable soon", name, err, d)
		}
		away.end()
		hubtest.Eventually(t, hubtest.Patience, func() bool { return hubtest.Present(h, "chat") == name }, "who came while Redis was "+name)
		b.Leave("chat", name)
		hubtest.WantPresent(t, h, "chat", "", 0)
	}
}

// A node that stops politely leaves nothing behind, whether its sessions were
// closed before or not.
func TestRedisNodeStops(t *testing.T) {
	t.Parallel()
	const clients = 300
	r := hubtest.Redis(t)
	a, _ := presenceNode(t, r.Addr(), time.Hour)
	b, stop := presenceNode(t, r.Addr(), time.Hour)
	own, w := hubtest.Enter(t, a, "chat:0", hubtest.Client("watcher"))
	var subs []*hub.Subscription
	for i := range clients {
		sub, _ := hubtest.Enter(t, b, fmt.Sprint("chat:", i%7), hubtest.Client(fmt.Sprint("c", i)))
		subs = append(subs, sub)
	}
	for _, sub := range subs[:clients/2] {
		sub.Cancel()
	}
	stop()
	hubtest.WantPresent(t, a, "chat:0", "watcher", 1)
	hubtest.Eventually(t, hubtest.Patience, func() bool { return len(w.JoinsAndLeaves()) == 2*((clients+6)/7) }, "all leaves are heard")
	own.Cancel()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return len(presenceKeys(t, r)) == 1 }, "nothing but one lease is left")
}

func TestRedisLastNodeStops(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h, stop := presenceNode(t, r.Addr(), time.Hour)
	hubtest.Enter(t, h, "chat", hubtest.Client("anna"))
	sub, _ := hubtest.Enter(t, h, "chat", hubtest.Client("ben"))
	sub.Cancel()
	stop()
	if keys := presenceKeys(t, r); len(keys) > 0 {
		t.Errorf("left behind are %q", keys)
	}
}

// A node that cannot reach Redis when it stops does not wait for it long.
func TestRedisNodeStopsWithoutRedis(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h, stop := hubtest.Run(t, hub.Options{Broker: redisBroker(t, redisbroker.Options{URL: r.URL()})})
	waitReady(t, h)
	hubtest.Enter(t, h, "chat", hubtest.Client("anna"))
	r.Pause()
	start := time.Now()
	stop()
	if d := time.Since(start); d > hubtest.Soon {
		t.Errorf("stopping took %s", d)
	}
	r.Resume()
}

// calm is how long a node has to be in touch with Redis before it ends the leases
// of others.
const calm = 2 * time.Second

// When Redis was away for longer than the leases last, nobody takes the others for
// dead.
func TestRedisAwayForLongerThanLeases(t *testing.T) {
	t.Parallel()
	const ttl = 4 * time.Second
	r := hubtest.Redis(t)
	var hubs []*hub.Hub
	var rs []*hubtest.Recorder
	for i := range 3 {
		b := redisBroker(t, redisbroker.Options{URL: r.URL(), PresenceTTL: ttl})
		h, _ := hubtest.Run(t, hub.Options{Broker: b})
		waitReady(t, h)
		_, rec := hubtest.Enter(t, h, "chat", hubtest.Client(fmt.Sprint("c", i)))
		hubs, rs = append(hubs, h), append(rs, rec)
	}
	hubtest.WantPresent(t, hubs[0], "chat", "c0 c1 c2", 3)
	time.Sleep(calm)
	r.Pause()
	time.Sleep(2 * ttl)
	r.Resume()
	for _, h := range hubs {
		waitReady(t, h)
	}
	time.Sleep(calm + ttl)
	hubtest.WantPresent(t, hubs[0], "chat", "c0 c1 c2", 3)
	rs[0].WantJoinsAndLeaves(t, "+c1", "+c2")
}

// What Redis has and should not have, as after a restart with older data, is gone
// after the next connection.
func TestRedisPresenceOfOlderData(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h, _ := presenceNode(t, r.Addr(), time.Hour)
	hubtest.Enter(t, h, "chat", hubtest.Client("anna"))
	ghost, _ := hubtest.Enter(t, h, "chat", hubtest.Client("ghost"))
	missing, _ := hubtest.Enter(t, h, "chat:2", hubtest.Client("missing"))
	defer missing.Cancel()
	lease := strings.Trim(redisSays(t, r, "ZRANGE", "belfry:leases", 0, -1), "[]")
	value := redisSays(t, r, "HGET", "belfry:{chat}:members:"+lease, "ghost")
	ghost.Cancel()
	hubtest.WantPresent(t, h, "chat", "anna", 1)
	redisSays(t, r, "HSET", "belfry:{chat}:members:"+lease, "ghost", value)
	redisSays(t, r, "HSET", "belfry:{chat}:users:"+lease, "ghost", "1")
	redisSays(t, r, "DEL", "belfry:{chat:2}:members:"+lease, "belfry:{chat:2}:users:"+lease)
	hubtest.WantPresent(t, h, "chat", "anna ghost", 2)
	redisSays(t, r, "CLIENT", "KILL", "TYPE", "pubsub")
	hubtest.WantPresent(t, h, "chat", "anna", 1)
	hubtest.WantPresent(t, h, "chat:2", "missing", 1)
}

// Clocks of Redis that are set back or forward are survived.
func TestRedisLeasesOfAnotherTime(t *testing.T) {
	t.Parallel()
	const ttl = time.Second
	r := hubtest.Redis(t)
	h, _ := presenceNode(t, r.Addr(), ttl)
	hubtest.Enter(t, h, "chat", hubtest.Client("anna"))
	redisSays(t, r, "ZADD", "belfry:leases", "1e13", "future")
	redisSays(t, r, "SADD", "belfry:lease:future", "chat")
	redisSays(t, r, "HSET", "belfry:{chat}:members:future", "ghost", "0 \x01c\x05ghost")
	hubtest.WantPresent(t, h, "chat", "anna", 1)
	lease := strings.Trim(redisSays(t, r, "ZRANGE", "belfry:leases", 0, -1), "[]")
	redisSays(t, r, "ZADD", "belfry:leases", 1, lease) // as when the clock is set forward
	hubtest.WantPresent(t, h, "chat", "anna", 1)
	if after := strings.Trim(redisSays(t, r, "ZRANGE", "belfry:leases", 0, -1), "[]"); after != lease {
		t.Errorf("the lease is %s after %s", after, lease)
	}
}

// What others write to our keys is skipped and does no harm.
func TestRedisForeignMembers(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	var log hubtest.Log
	b := redisBroker(t, redisbroker.Options{URL: r.URL(), Timeout: hubtest.Patience, PresenceTTL: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	h, _ := hubtest.Run(t, hub.Options{Broker: b})
	waitReady(t, h)
	hubtest.Enter(t, h, "chat", hubtest.Client("anna"))
	lease := strings.Trim(redisSays(t, r, "ZRANGE", "belfry:leases", 0, -1), "[]")
	key := "belfry:{chat}:members:" + lease
	for name, value := range map[string]string{"a": "", "b": "hello", "c": "99 \x01", "d": "0 \x01c\x01x", "e": "-1 \x01", "f": "0 \x02"} {
		redisSays(t, r, "HSET", key, name, value)
	}
	redisSays(t, r, "HSET", "belfry:{chat}:users:"+lease, "junk", "x")
	hubtest.WantPresent(t, h, "chat", "anna", 1)
	if n := strings.Count(log.String(), "no member of ours"); n < 6 {
		t.Errorf("%d were logged:\n%s", n, &log)
	}
	// A key of another type stops that channel alone.
	redisSays(t, r, "SET", "belfry:{chat:bad}:members:"+lease, "x")
	if err := b.Join(t.Context(), "chat:bad", hubtest.Client("ben")); !errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("Join to a key of another type = %v, want ErrUnavailable", err)
	}
	if err := b.Join(t.Context(), "chat", hubtest.Client("carl")); err != nil {
		t.Errorf("Join beside it = %v", err)
	}
	hubtest.WantPresent(t, h, "chat", "anna carl", 2)
	redisSays(t, r, "DEL", "belfry:{chat:bad}:members:"+lease)
	hubtest.WantPresent(t, h, "chat:bad", "ben", 1)
}

// Many who join at once share round trips, and renewing costs the same however
// many channels there are.
func TestRedisPresenceCosts(t *testing.T) {
	const clients, channels, ttl = 5000, 2500, 2 * time.Second
	r := hubtest.Redis(t)
	b := redisBroker(t, redisbroker.Options{URL: r.URL(), Timeout: hubtest.Patience, PresenceTTL: ttl})
	h, _ := hubtest.Run(t, hub.Options{Broker: b, Rules: hub.Rules{{Match: "chat*", Presence: true}}})
	waitReady(t, h)
	before := reads(t, r)
	var joining sync.WaitGroup
	for i := range clients {
		joining.Go(func() {
			if err := b.Join(context.Background(), fmt.Sprint("chat:", i%channels), hubtest.Client(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	joining.Wait()
	// Redis reads 16 KiB at a time, of which a join takes some 400 bytes.
	if asked := reads(t, r) - before; asked > clients/20 {
		t.Errorf("Redis read %d times for %d joins", asked, clients)
	}
	for i := range channels {
		stats, err := h.PresenceStats(t.Context(), fmt.Sprint("chat:", i))
		if err != nil || stats != (hub.PresenceStats{Clients: 2, Users: 2}) {
			t.Fatalf("on channel %d are %+v, %v; want both clients", i, stats, err)
		}
	}
	runs, start := scriptRuns(t, r), time.Now()
	time.Sleep(ttl)
	renewals := int(time.Since(start)/(ttl/8)) + 1
	vouched := int(time.Since(start)/time.Second) + 1
	if n := scriptRuns(t, r) - runs; n > renewals+2*vouched {
		t.Errorf("%d scripts ran in a time of at most %d renewals and %d questions which Redis it is, of two scripts each", n, renewals, vouched)
	}
}

// reads is how often Redis has read from its clients.
func reads(t testing.TB, r *hubtest.RedisServer) int {
	t.Helper()
	return redisNumber(t, r, "stats", "total_reads_processed:")
}

// scriptRuns is how often Redis has run a script.
func scriptRuns(t testing.TB, r *hubtest.RedisServer) int {
	return redisNumber(t, r, "commandstats", "cmdstat_evalsha:calls=")
}

func redisNumber(t testing.TB, r *hubtest.RedisServer, section, name string) int {
	t.Helper()
	_, rest, _ := strings.Cut(redisSays(t, r, "INFO", section), name)
	end := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
	n, err := strconv.Atoi(rest[:max(end, 0)])
	if err != nil {
		t.Fatalf("INFO %s has no %s", section, name)
	}
	return n
}

// BenchmarkRedisPresence measures one client that joins and leaves, many at once,
// and reading who is there.
func BenchmarkRedisPresence(b *testing.B) {
	r := hubtest.Redis(b)
	broker, err := redisbroker.New(redisbroker.Options{URL: r.URL()})
	if err != nil {
		b.Fatal(err)
	}
	h, _ := hubtest.Run(b, hub.Options{Broker: broker})
	hubtest.Eventually(b, hubtest.Patience, func() bool { return h.Ready(context.Background()) == nil }, "the hub is ready")
	join := func(name string) {
		if err := broker.Join(context.Background(), "chat", hubtest.Client(name)); err != nil {
			b.Error(err)
		}
	}
	b.Run("join", func(b *testing.B) {
		for i := range b.N {
			join(fmt.Sprint("a", i%1000))
			broker.Leave("chat", fmt.Sprint("a", i%1000))
		}
	})
	b.Run("join at once", func(b *testing.B) {
		var n atomic.Int64
		b.SetParallelism(500)
		b.RunParallel(func(pb *testing.PB) {
			name := fmt.Sprint("b", n.Add(1))
			for pb.Next() {
				join(name)
				broker.Leave("chat", name)
			}
		})
	})
	for i := range 1000 {
		join(fmt.Sprintf("u%d-%d", i%100, i))
	}
	b.Run("presence of 1000", func(b *testing.B) {
		for range b.N {
			if there, err := h.Presence(context.Background(), "chat", 0); err != nil || len(there.Clients) < 1000 {
				b.Fatal(len(there.Clients), err)
			}
		}
	})
	b.Run("stats of 1000 of 100 users", func(b *testing.B) {
		for range b.N {
			if stats, err := h.PresenceStats(context.Background(), "chat"); err != nil || stats.Clients < 1000 {
				b.Fatal(stats, err)
			}
		}
	})
}
