package redisbroker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// press publishes numbers to a channel until it is told to stop, each under a
// key of its own and again until it is acknowledged.
type press struct {
	hub     *hub.Hub
	channel string
	ended   atomic.Bool
	done    sync.WaitGroup

	refused      atomic.Int64 // tries
	acknowledged []string     // to be read when it has stopped
}

func startPress(t *testing.T, h *hub.Hub, channel string) *press {
	p := &press{hub: h, channel: channel}
	p.done.Go(p.run)
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *press) run() {
	for i := 0; !p.ended.Load(); i++ {
		data := fmt.Sprintf("%s %06d", p.channel, i)
		for hubtest.TryPublish(p.hub, p.channel, data, data) != nil {
			p.refused.Add(1)
			time.Sleep(10 * time.Millisecond) // not to do nothing else
		}
		p.acknowledged = append(p.acknowledged, data)
		time.Sleep(time.Millisecond)
	}
}

// feels waits until some more of what is published is refused.
func (p *press) feels(t *testing.T) {
	t.Helper()
	before := p.refused.Load()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return p.refused.Load() > before }, p.channel+": publishes are refused")
}

// stop returns what was acknowledged.
func (p *press) stop() []string {
	p.ended.Store(true)
	p.done.Wait()
	return p.acknowledged
}

// wantAll checks that a subscriber has exactly what was acknowledged, in order.
func (p *press) wantAll(t *testing.T, l *hubtest.Loser) {
	t.Helper()
	want := p.stop()
	l.Want(t, want...)
	hubtest.WantOneByOne(t, 0, l.Messages())
	if l.Losses() != 0 {
		t.Errorf("%s: %d times told of a loss", p.channel, l.Losses())
	}
	if p.refused.Load() == 0 {
		t.Errorf("%s: none of the %d publishes was refused: the faults were not felt", p.channel, len(want))
	}
}

// Redis stands still for so long that it is given up: publishers hear it while it
// does, subscribers stay, and afterwards everything that was acknowledged is there
// once, also what Redis took up late.
func TestRedisPausedForLong(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	near, far := impatientHub(t, r.URL(), keeping), impatientHub(t, r.URL(), keeping)
	var presses []*press
	var subscribers []*hubtest.Loser
	for i := range 4 {
		channel := fmt.Sprint("chat", i)
		subscribers = append(subscribers, hubtest.ListenForLosses(t, far, channel))
		presses = append(presses, startPress(t, near, channel))
	}
	plain, date := hubtest.ListenForLosses(t, far, "plain"), hubtest.Listen(t, far, hub.DateChannel, "date")
	subscribers[0].Wait(t, 50)
	r.Pause()
	unknown := hubtest.TryPublish(near, "plain", "perhaps", "")
	if !errors.Is(unknown, hub.ErrUnavailable) {
		t.Errorf("publish to a Redis that stands still: %v, want an ErrUnavailable", unknown)
	}
	for _, p := range presses {
		p.feels(t)
	}
	wantDisconnected(t, near)
	wantDisconnected(t, far)
	r.Resume()
	waitReady(t, near)
	waitReady(t, far)
	for _, s := range subscribers {
		s.Wait(t, s.Len()+1)
	}
	for i, p := range presses {
		p.wantAll(t, subscribers[i])
	}
	hubtest.Publish(t, near, "plain", "end")
	hubtest.Eventually(t, hubtest.Patience, func() bool { n := plain.Len(); return n > 0 && plain.Data()[n-1] == "end" }, "the last message")
	if got := plain.Data(); len(got) > 2 || len(got) == 2 && !errors.Is(unknown, hub.ErrUnanswered) {
		t.Errorf("a message that was published once came as %q, and its publisher was told %v", got, unknown)
	}
	wantForward(t, date)
}

// The connections of both nodes are cut while messages are published, and now
// and then cannot be made again for a while.
func TestRedisCutByProxy(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	proxies := []*hubtest.Proxy{hubtest.NewProxy(t, r.Addr()), hubtest.NewProxy(t, r.Addr())}
	near, far := redisHubAt(t, "redis://"+proxies[0].Addr(), keeping), redisHubAt(t, "redis://"+proxies[1].Addr(), keeping)
	nearby, away := hubtest.ListenForLosses(t, near, "chat"), hubtest.ListenForLosses(t, far, "chat")
	p := startPress(t, near, "chat")
	for i := range 12 {
		away.Wait(t, nearby.Len()+rand.IntN(20))
		proxy := proxies[i%2]
		proxy.Refuse(i%3 == 2)
		proxy.Cut()
		switch {
		case i%3 == 2 && proxy == proxies[0]: // the publisher is cut off
			p.feels(t)
		case i%3 == 2: // the other misses what is published
			wantDisconnected(t, far)
			nearby.Wait(t, nearby.Len()+5)
		}
		proxy.Refuse(false)
	}
	p.wantAll(t, nearby)
	p.wantAll(t, away)
	if far.Stats().Repaired == 0 {
		t.Error("nothing had to be repaired")
	}
}

// Redis is killed and started at random while messages are published, and keeps
// its data.
func TestRedisKilledUnderLoad(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	near, far := redisHub(t, r, keeping), redisHub(t, r, keeping)
	subscriber := hubtest.ListenForLosses(t, far, "chat")
	p := startPress(t, near, "chat")
	for range 4 {
		subscriber.Wait(t, subscriber.Len()+rand.IntN(40))
		r.Stop()
		p.feels(t)
		r.Start()
	}
	p.wantAll(t, subscriber)
}

// Redis is killed while messages are published, and has lost everything when it
// comes back: subscribers are told, and have everything that was acknowledged
// from then on.
func TestRedisKilledWithoutDataUnderLoad(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	near, far := redisHub(t, r, keeping), redisHub(t, r, keeping)
	subscriber := hubtest.ListenForLosses(t, far, "chat")
	p := startPress(t, near, "chat")
	subscriber.Wait(t, 50)
	r.Stop()
	r.Start()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return subscriber.Losses() == 1 }, "the subscriber is told")
	subscriber.Wait(t, subscriber.Len()+50)
	p.stop()
	last := hubtest.Publish(t, near, "chat", "end")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return slices.Contains(subscriber.Data(), "end") }, "the last message")
	messages := subscriber.Messages()
	again := slices.IndexFunc(messages, func(m *hub.Message) bool { return m.Epoch == last.Epoch })
	hubtest.WantOneByOne(t, messages[again].Offset-1, messages[again:])
	if n := len(messages) - again; n < 50 || subscriber.Losses() != 1 {
		t.Errorf("%d messages came since the loss, and %d times it was told", n, subscriber.Losses())
	}
	sub, err := far.Subscribe(context.Background(), "chat", hubtest.NewRecorder("late"), lines, hub.SubscribeOptions{Recover: &hub.Position{Epoch: messages[0].Epoch, Offset: 5}})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Cancel()
	if sub.Recovered || sub.Position != last {
		t.Errorf("recovered=%t at %+v, want nothing at %+v", sub.Recovered, sub.Position, last)
	}
}
