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

	acknowledged []string // to be read when it has stopped
	refused      int      // tries
	slowest      time.Duration
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
		for p.try(data) != nil {
			p.refused++
			time.Sleep(10 * time.Millisecond)
		}
		p.acknowledged = append(p.acknowledged, data)
		time.Sleep(time.Millisecond)
	}
}

func (p *press) try(data string) error {
	start := time.Now()
	err := hubtest.TryPublish(p.hub, p.channel, data, data)
	p.slowest = max(p.slowest, time.Since(start))
	return err
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
	if p.refused == 0 || len(want) < 50 {
		t.Errorf("%s: %d publishes acknowledged, %d refused: the faults were not felt", p.channel, len(want), p.refused)
	}
}

// Redis stands still for five seconds: publishers hear it in time, subscribers
// stay, and afterwards everything that was acknowledged is there once, also what
// Redis took up late.
func TestRedisPausedForLong(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	near, far := redisHub(t, r, keeping), redisHub(t, r, keeping)
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
	if !errors.Is(unknown, hub.ErrUnanswered) {
		t.Errorf("publish to a Redis that stands still: %v, want an ErrUnanswered", unknown)
	}
	time.Sleep(5 * time.Second)
	r.Resume()
	back := time.Now()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return far.Ready(t.Context()) == nil && near.Ready(t.Context()) == nil }, "both nodes are back")
	for _, s := range subscribers {
		before := s.Len()
		hubtest.Eventually(t, hubtest.Patience-time.Since(back), func() bool { return s.Len() > before }, "messages come again")
	}
	for i, p := range presses {
		p.wantAll(t, subscribers[i])
		if p.slowest > 3*time.Second { // two, and what a busy machine needs
			t.Errorf("a publisher waited for %s", p.slowest)
		}
	}
	hubtest.Publish(t, near, "plain", "end")
	hubtest.Eventually(t, hubtest.Patience, func() bool { n := plain.Len(); return n > 0 && plain.Data()[n-1] == "end" }, "the last message")
	if got := plain.Data(); len(got) > 2 {
		t.Errorf("a message that was published once came as %q", got)
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
	var subscribers []*hubtest.Loser
	for _, h := range []*hub.Hub{near, far} {
		subscribers = append(subscribers, hubtest.ListenForLosses(t, h, "chat"))
	}
	p := startPress(t, near, "chat")
	for i := range 12 {
		proxy := proxies[i%2]
		proxy.Refuse(i%3 == 2)
		proxy.Cut()
		time.Sleep(time.Duration(50+rand.IntN(200)) * time.Millisecond)
		proxy.Refuse(false)
		time.Sleep(time.Duration(50+rand.IntN(300)) * time.Millisecond)
	}
	for _, s := range subscribers {
		p.wantAll(t, s)
	}
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
		subscriber.Wait(t, subscriber.Len()+20)
		r.Stop()
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
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
