package load

import (
	"context"
	"fmt"
	"time"
)

// opsPerChurner is how many joins and leaves a second one connection does, so
// that it stays for a tenth of a second each time.
const opsPerChurner = 10

// churn is the joins and leaves of a run.
type churn struct {
	run     *run
	members []*churner
	skipped int64 // commands that were due while the one before had no answer
}

// churners is how many connections join and leave.
func (o *Options) churners() int { return (o.Churn + opsPerChurner - 1) / opsPerChurner }

// openChurn connects all that will join and leave.
func (r *run) openChurn(ctx context.Context) error {
	r.churn = &churn{run: r, members: make([]*churner, r.churners())}
	return inParallel(ctx, dialing, r.churners(), func(ctx context.Context, i int) error {
		c, err := r.openChurner(ctx, i)
		if err != nil {
			return fmt.Errorf("connection %d of %d that join and leave: %w", i+1, r.churners(), err)
		}
		r.churn.members[i] = c
		return nil
	})
}

// do sends commands, each when it is due, until the context ends.
func (c *churn) do(ctx context.Context) {
	s := schedule{start: c.run.clock(), interval: 1e9 / float64(c.run.Churn)}
	for k := 0; c.run.sleepUntil(ctx, s.due(k)) == nil; k++ {
		if !c.members[k%len(c.members)].step() {
			c.skipped++
		}
	}
}

// start does joins and leaves until stop is called, which waits for the end and
// for answers on their way.
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
		c.run.wait(context.WithoutCancel(ctx), time.Second, c.answered)
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
