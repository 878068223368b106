package redisbroker_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// copied is a Redis of which a copy was kept after five messages on chat, and five
// more were acknowledged then.
type copied struct {
	t     *testing.T
	redis *hubtest.RedisServer
	copy  []byte
}

// keep has five numbers published, copies what Redis has, and publishes five more.
func keep(t *testing.T, r *hubtest.RedisServer, publisher *hub.Hub) (c *copied, last hub.Position) {
	t.Helper()
	hubtest.PublishNumbers(t, publisher, "chat", 1, 5)
	redisSays(t, r, "SAVE")
	c = &copied{t: t, redis: r}
	var err error
	if c.copy, err = os.ReadFile(c.file()); err != nil {
		t.Fatal(err)
	}
	return c, hubtest.PublishNumbers(t, publisher, "chat", 6, 10)
}

func (c *copied) file() string {
	dir := redisSays(c.t, c.redis, "CONFIG", "GET", "dir")
	dir = strings.TrimSuffix(dir[strings.Index(dir, "dir:")+4:], "]")
	return filepath.Join(dir, "dump.rdb")
}

// restore puts the copy back.
func (c *copied) restore() {
	c.t.Helper()
	file := c.file()
	c.redis.Stop()
	if err := os.WriteFile(file, c.copy, 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.redis.Start()
}

// persistently publishes until it is accepted.
func persistently(t *testing.T, h *hub.Hub, data string) (p hub.Position) {
	t.Helper()
	var err error
	defer func() {
		if err != nil {
			t.Logf("publish %s: %v", data, err)
		}
	}()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		var r hub.PublishResult
		r, err = h.Publish(context.Background(), "chat", &hub.Message{Data: hubtest.Value(data)}, hub.PublishOptions{})
		p = r.Position
		return err == nil
	}, "publish "+data)
	return p
}

// An older copy of Redis is put back. What is acknowledged afterwards reaches those who
// listen, who are told of the loss, and nobody is told that a position from before can
// be recovered from.
func TestOlderCopyIsPutBack(t *testing.T) {
	t.Parallel()
	for _, publisherListens := range []bool{false, true} {
		for _, fate := range []string{"stay", "subscriber's link is down", "publisher restarts", "all restart"} {
			for _, offline := range []bool{false, true} {
				t.Run(fmt.Sprintf("publisher listens=%t/nodes: %s/offline=%t", publisherListens, fate, offline), func(t *testing.T) {
					t.Parallel()
					olderCopy(t, publisherListens, fate, offline)
				})
			}
		}
	}
}

func olderCopy(t *testing.T, publisherListens bool, fate string, offline bool) {
	r := hubtest.Redis(t)
	proxy := hubtest.NewProxy(t, r.Addr())
	publisher, stopPublisher := keepingNode(t, r.URL())
	far, stopFar := keepingNode(t, "redis://"+proxy.Addr())
	if publisherListens {
		hubtest.Listen(t, publisher, "chat", "near")
	}
	var l *hubtest.Loser
	if !offline {
		l = hubtest.ListenForLosses(t, far, "chat")
	}
	c, before := keep(t, r, publisher)
	if l != nil {
		l.Wait(t, 10)
	}
	switch fate {
	case "subscriber's link is down":
		proxy.Refuse(true)
		proxy.Cut()
	case "publisher restarts":
		stopPublisher()
	case "all restart":
		stopPublisher()
		stopFar()
	}
	c.restore()
	switch fate {
	case "publisher restarts":
		publisher, _ = keepingNode(t, r.URL())
	case "all restart":
		publisher, _ = keepingNode(t, r.URL())
		far, _ = keepingNode(t, r.URL())
		l = nil
	}
	var after hub.Position
	for i := 11; i <= 20; i++ {
		after = persistently(t, publisher, fmt.Sprint(i))
	}
	proxy.Refuse(false)
	waitReady(t, far)
	wantNewEpoch(t, far, l, before, after)
}

// wantNewEpoch checks that a listener, if there is one, has heard of the loss and of the
// last message, and that there is no recovery from before.
func wantNewEpoch(t *testing.T, h *hub.Hub, l *hubtest.Loser, before, after hub.Position) {
	t.Helper()
	if after.Epoch == before.Epoch {
		t.Errorf("after %+v came %+v: the epoch is the same", before, after)
	}
	if l != nil {
		hubtest.Eventually(t, hubtest.Patience, func() bool { return l.Losses() > 0 }, "the subscriber is told")
		persistently(t, h, "end")
		hubtest.Eventually(t, hubtest.Patience, func() bool { return slices.Contains(l.Data(), "end") }, "it goes on")
	}
	for _, p := range []hub.Position{before, {Epoch: before.Epoch, Offset: 5}, {Epoch: before.Epoch}} {
		if sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("late"), p); sub.Recovered {
			t.Errorf("recovered from %+v of a numbering that has lost its end", p)
		}
	}
}

// keepingNode is a node that keeps histories, which a test may stop.
func keepingNode(t *testing.T, url string) (h *hub.Hub, stop func()) {
	t.Helper()
	h, stop = hubtest.Run(t, hub.Options{Broker: redisBroker(t, patient(url)), Rules: keeping})
	waitReady(t, h)
	return h, stop
}

// A replica that has not caught up is promoted, as Sentinel does; one that has is not
// noticed. Whoever publishes has no subscriber.
func TestReplicaIsPromoted(t *testing.T) {
	t.Parallel()
	for _, lags := range []bool{true, false} {
		t.Run(fmt.Sprintf("lags=%t", lags), func(t *testing.T) {
			t.Parallel()
			master, replica := hubtest.Redis(t), hubtest.Redis(t)
			near, far := hubtest.NewProxy(t, master.Addr()), hubtest.NewProxy(t, master.Addr())
			publisher, _ := keepingNode(t, "redis://"+near.Addr())
			h, _ := keepingNode(t, "redis://"+far.Addr())
			l := hubtest.ListenForLosses(t, h, "chat")
			replica.Follow(master)
			before := hubtest.PublishNumbers(t, publisher, "chat", 1, 10)
			inStep(t, replica, master)
			if lags {
				replica.Promote()
				before = hubtest.PublishNumbers(t, publisher, "chat", 11, 15)
			}
			l.Wait(t, int(before.Offset))
			master.Stop()
			if !lags {
				replica.Promote()
			}
			near.SetTarget(replica.Addr())
			far.SetTarget(replica.Addr())
			near.Cut()
			far.Cut()
			var after hub.Position
			for i := 101; i <= 120; i++ {
				after = persistently(t, publisher, fmt.Sprint(i))
			}
			if lags {
				wantNewEpoch(t, h, l, before, after)
				return
			}
			l.Wait(t, 30)
			if after != (hub.Position{Epoch: before.Epoch, Offset: 30}) || l.Losses() != 0 {
				t.Errorf("after %+v came %+v, and %d times told of a loss", before, after, l.Losses())
			}
		})
	}
}

// inStep waits until a replica has everything.
func inStep(t *testing.T, replica, master *hubtest.RedisServer) {
	t.Helper()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		at := func(r *hubtest.RedisServer) string { return redisSays(t, r, "HVALS", "belfry:{chat}:position") }
		return at(replica) == at(master)
	}, "the replica has everything")
}

// hastyNode is a keeping node that goes on without those who do not come to vouch.
func hastyNode(t *testing.T, url string) *hub.Hub {
	t.Helper()
	o := patient(url)
	o.SetWitnessPatience(0)
	h, _ := hubtest.Run(t, hub.Options{Broker: redisBroker(t, o), Rules: keeping})
	waitReady(t, h)
	return h
}

// Two masters: a node goes on at the former one after the other node has moved to the
// replica. When it moves as well what it was told there is lost, though the counter of
// the new one is higher than any number that it has seen.
func TestTwoMasters(t *testing.T) {
	t.Parallel()
	master, replica := hubtest.Redis(t), hubtest.Redis(t)
	stays, moves := hubtest.NewProxy(t, master.Addr()), hubtest.NewProxy(t, master.Addr())
	behind, ahead := hastyNode(t, "redis://"+stays.Addr()), hastyNode(t, "redis://"+moves.Addr())
	replica.Follow(master)
	hubtest.PublishNumbers(t, ahead, "chat", 1, 10)
	inStep(t, replica, master)
	replica.Promote()
	moves.SetTarget(replica.Addr())
	moves.Cut()
	for i := 11; i <= 40; i++ {
		persistently(t, ahead, fmt.Sprint(i))
	}
	lost := hubtest.PublishNumbers(t, behind, "chat", 111, 115)
	stays.SetTarget(replica.Addr())
	stays.Cut()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		return persistently(t, behind, "together").Epoch != lost.Epoch
	}, "a new epoch begins")
	waitReady(t, behind)
	for _, h := range []*hub.Hub{behind, ahead} {
		if sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("late"), lost); sub.Recovered {
			t.Errorf("recovered from %+v, which only the former master had", lost)
		}
	}
}

// Whoever empties Redis is found out by whoever publishes next, or within a second.
func TestFlushAll(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	publisher, _ := keepingNode(t, r.URL())
	h, _ := keepingNode(t, r.URL())
	l := hubtest.ListenForLosses(t, h, "chat")
	before := hubtest.PublishNumbers(t, publisher, "chat", 1, 10)
	l.Wait(t, 10)
	redisSays(t, r, "FLUSHALL")
	wantNewEpoch(t, h, l, before, hubtest.Publish(t, publisher, "chat", "11"))
	redisSays(t, r, "FLUSHALL")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return l.Losses() > 1 }, "the subscriber is told though nobody publishes")
}

// A restart with everything on disk goes on unnoticed, while a node lives; so does one
// of all nodes, while Redis lives. When nobody lives who knows, a new epoch begins.
func TestRestartsWithEverything(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	h, stop := keepingNode(t, r.URL())
	publisher, stopPublisher := keepingNode(t, r.URL())
	l := hubtest.ListenForLosses(t, h, "chat")
	first := hubtest.PublishNumbers(t, publisher, "chat", 1, 5)
	r.Stop()
	r.Start()
	if p := persistently(t, publisher, "6"); p != (hub.Position{Epoch: first.Epoch, Offset: 6}) || l.Losses() > 0 {
		t.Errorf("after a restart of Redis: %+v after %+v", p, first)
	}
	l.Want(t, "1", "2", "3", "4", "5", "6")
	stop()
	stopPublisher()
	h, stop = keepingNode(t, r.URL())
	if p := hubtest.Publish(t, h, "chat", "7"); p != (hub.Position{Epoch: first.Epoch, Offset: 7}) {
		t.Errorf("after a restart of all nodes: %+v after %+v", p, first)
	}
	stop()
	r.Stop()
	r.Start()
	h, _ = keepingNode(t, r.URL())
	if p := hubtest.Publish(t, h, "chat", "8"); p.Epoch == first.Epoch {
		t.Errorf("after a restart of everything: %+v, the epoch is the same", p)
	}
}

// What somebody has left in Redis as a message, live and in the history, is a gap that
// is told, and no more.
func TestPoisonIsAGap(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h, _ := keepingNode(t, r.URL())
	for i, text := range redisbroker.Poison {
		channel := fmt.Sprint("chat", i)
		topic := "belfry:{" + channel + "}"
		l := hubtest.ListenForLosses(t, h, channel)
		first := hubtest.Publish(t, h, channel, "1")
		l.Want(t, "1")
		redisSays(t, r, "XADD", topic+":stream", "2-0", "m", text, "t", "1700000000.1")
		redisSays(t, r, "HSET", topic+":position", "o", 2)
		redisSays(t, r, "PUBLISH", topic, "2 "+first.Epoch+"\n"+text)
		losses := 1
		if strings.HasPrefix(text, "\x01j\x02") {
			losses = 0 // a kind that a newer node may know
		}
		hubtest.Eventually(t, hubtest.Patience, func() bool { return l.Losses() == losses }, "the subscriber is told")
		hubtest.Publish(t, h, channel, "3")
		l.Want(t, "1", "3")
		if got := l.Losses(); got != losses {
			t.Errorf("%q: %d times told of a loss, want %d", text, got, losses)
		}
		if got, err := h.History(t.Context(), channel, hub.HistoryOptions{Limit: -1}); err != nil || !slices.Equal(hubtest.Data(got.Messages), []string{"1", "3"}) {
			t.Errorf("%q: the history is %q, %v", text, hubtest.Data(got.Messages), err)
		}
	}
}
