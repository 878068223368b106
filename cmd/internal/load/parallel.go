package load

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// inParallel calls f for 0 to n-1, so many at a time, until one fails, and returns
// that error when all have returned. None is begun after the context has ended.
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
