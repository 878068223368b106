package redisbroker

import (
	"context"
	"time"
)

// lookEvery is after how many seconds a node looks where the address leads, when all
// is well.
const lookEvery = 5

// follow looks where the address leads until that is another Redis, which can serve.
// After a failover behind a name what was connected stays connected, to a replica or to
// a master of which nobody else knows.
func (v *voucher) follow(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if (n%lookEvery == 0 || v.unfit() != nil) && v.leadsElsewhere(ctx) {
			return errMoved
		}
	}
}

// leadsElsewhere reports whether a new connection goes to another master than the one
// that the node has asked.
func (v *voucher) leadsElsewhere(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, v.options.ReadTimeout)
	defer cancel()
	client := v.dial()
	defer client.Close()
	c := client.Conn()
	defer c.Close()
	id, err := identify(ctx, c)
	f := v.footing.Load()
	return err == nil && !id.replica && !id.sentinel && f.process != nowhere && id.process != f.process
}

// untilMoved is for what comes before anybody watches: its context ends when a connection
// was made to another process than the one that was asked, which its cause says.
func (v *voucher) untilMoved(ctx context.Context) (moving context.Context, stop func()) {
	moving, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() { // ends with the context, and stop waits for it
		defer close(done)
		select {
		case <-v.moves:
			raise(v.moves)
			cancel(errMoved)
		case <-moving.Done():
		}
	}()
	return moving, func() { cancel(nil); <-done }
}
