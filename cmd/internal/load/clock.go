package load

import (
	"context"
	"time"
)

// clock is that of one run: nanoseconds since it began, as messages carry them. It
// may be copied, and read from any goroutine.
type clock struct{ zero time.Time }

// now is the time since the run began, whatever is done to the system's clock.
func (c clock) now() int64 { return int64(time.Since(c.zero)) }

// sleepUntil sleeps until the clock shows a time, to some tens of microseconds on
// Linux; a timer alone may be a millisecond late, which would be latency.
func (c clock) sleepUntil(ctx context.Context, at int64) error {
	for ctx.Err() == nil {
		switch wait := time.Duration(at - c.now()); {
		case wait <= 0:
			return nil
		case wait > coarse:
			pause(ctx, wait-coarse)
		default:
			pauseExactly(wait)
		}
	}
	return ctx.Err()
}

// waitFor waits until something is so, but not for long.
func (c clock) waitFor(ctx context.Context, long time.Duration, done func() bool) {
	end := c.now() + int64(long)
	for !done() && c.now() < end && ctx.Err() == nil {
		pause(ctx, 5*time.Millisecond)
	}
}

// pause sleeps, unless the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
