package hub

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// maxPause bounds the pause between the rounds of a busy channel.
const maxPause = 20 * time.Millisecond

// drain runs the channel's rounds, one after the other, until its queue is
// empty. At most one drain of a channel runs at a time; the hub waits for it.
//
// When messages came during a round, but no full round of them, the next one
// waits as long as that round took. More of them then share a write, and the
// time is left to those who publish and read: at a million deliveries a second
// on two cores the pause halves what a delivery costs. A message that comes to
// an idle channel waits for nothing.
func (c *channel) drain() {
	for b := c.take(); b != nil; b = c.take() {
		start := time.Now()
		if b.loss {
			c.lose(b)
			continue
		}
		b.encode(c.name)
		c.deliver(b)
		if c.gathers() {
			time.Sleep(min(time.Since(start), maxPause))
		}
	}
}

// sectionsEach is how many sections a channel has for each goroutine that drains
// it: 4,096 subscribers. With a second goroutine for half as many, a delivery
// costs 5 to 20 % more, because the writers and their readers share the cores.
const sectionsEach = 16

// deliver writes one round to every subscriber. The sections of a large channel
// are shared out among as many goroutines as there are cores.
func (c *channel) deliver(b *batch) {
	sections := c.snapshot()
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; int(i) < len(sections); i = next.Add(1) - 1 {
			sections[i].deliver(b)
		}
	}
	var helpers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 1+len(sections)/sectionsEach) - 1 {
		helpers.Go(work)
	}
	work()
	helpers.Wait()
}

// deliver writes one round to the section's subscribers and evicts those that
// do not take it, after the lock is released.
func (s *section) deliver(b *batch) {
	for _, r := range s.send(b) {
		r.subscriber.Evict(r.why)
	}
}

// declined is a subscriber that has not taken a delivery.
type declined struct {
	subscriber Subscriber
	why        error
}

func (s *section) send(b *batch) (refused []declined) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subscriptions {
		d := b.delivery(sub)
		if len(d.Messages) == 0 {
			continue
		}
		if why := sub.send(d); why != nil {
			refused = append(refused, declined{sub.subscriber, why})
		}
	}
	return refused
}

// lose tells the subscribers that messages of the channel are lost.
func (c *channel) lose(b *batch) {
	for _, s := range c.snapshot() {
		for _, sub := range s.losers(b) {
			sub.lose()
		}
	}
}

// losers returns the subscriptions that a loss concerns. Those that have not
// started hear of it when they do.
func (s *section) losers(b *batch) (losers []*Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subscriptions {
		switch {
		case sub.after >= b.last():
		case sub.hold != nil:
			sub.hold.lose()
		default:
			losers = append(losers, sub)
		}
	}
	return losers
}

func (s *Subscription) lose() {
	if l, ok := s.subscriber.(Loser); ok {
		l.Lose(s)
	}
}
