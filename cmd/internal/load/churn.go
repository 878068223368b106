package load

import (
	"context"
	"time"
)

// opsPerChurner is how many joins and leaves a second one connection does, so
// that it stays for a tenth of a second each time.
const opsPerChurner = 10

// churn is the joins and leaves of a run. The zero value has none.
type churn struct {
	clock   clock
	rate    int // joins and leaves a second, taken together
	members []*churner
	skipped int64 // commands that were due while the one before had no answer
}

// do sends commands, each when it is due, until the context ends.
func (c *churn) do(ctx context.Context) {
	s := schedule{start: c.clock.now(), interval: 1e9 / float64(c.rate)}
	for k := 0; c.clock.sleepUntil(ctx, s.due(k)) == nil; k++ {
		if !c.members[k%len(c.members)].step() {
			c.skipped++
		}
	}
}

// start does joins and leaves from a goroutine until stop is called, which waits
// for its end and for answers on their way, a second at most.
func (c *churn) start(ctx context.Context) (stop func()) {
	if len(c.members) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.do(ctx)
	}()
	return func() {
		cancel()
		<-ended
		c.clock.waitFor(context.WithoutCancel(ctx), time.Second, c.answered)
	}
}

// answered reports whether no command waits for its answer.
func (c *churn) answered() bool {
	for _, m := range c.members {
		if m.waiting() {
			return false
		}
	}
	return true
}

// report adds up what all members have counted, and ends their stays.
func (c *churn) report() *Churn {
	rep := &Churn{Connections: len(c.members), Skipped: c.skipped}
	latency := newHistogram()
	for _, m := range c.members {
		m.mu.Lock()
		m.settle(false) // ends the last stay
		rep.Joins += m.joins
		rep.Leaves += m.leaves
		rep.Refused += m.refused
		rep.Delivered += m.delivered
		rep.Lost += m.lost
		rep.Duplicated += m.duplicated
		rep.OutOfOrder += m.late
		rep.Stray += m.stray
		latency.Merge(m.joinLatency)
		m.mu.Unlock()
	}
	rep.Join = newLatency(latency)
	return rep
}
