package load

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// inParallel calls f for 0 to n-1, so many at a time, until one fails.
func inParallel(ctx context.Context, width, n int, f func(ctx context.Context, i int) error) error {
	g, work := errgroup.WithContext(ctx)
	g.SetLimit(max(width, 1))
	for i := range n {
		if work.Err() != nil {
			break
		}
		g.Go(func() error { return f(work, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
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
