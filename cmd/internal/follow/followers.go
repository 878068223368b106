package follow

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"belfry/cmd/internal/client"
)

// opening is how many connections Open opens at a time: the point is that they are
// there, and not how a server stands the rush.
const opening = 32

// Followers are connections, each subscribed to one or more channels with history.
// They keep their positions, and can come back with them. The methods are for one
// goroutine.
type Followers struct {
	all     []*follower
	came    atomic.Int64 // messages in order
	readers sync.WaitGroup
}

// Seen is what followers have seen, added up over their subscriptions since they
// were opened.
type Seen struct {
	Messages   int64 // each once, and none out of order
	Missing    int64 // offsets that were passed over
	Duplicated int64 // offsets that came twice or late
	Told       int64 // times that the server said that messages are lost
	Closed     int64 // connections that the server has ended
}

// Faults is how often something was not as it should be.
func (s Seen) Faults() int64 { return s.Missing + s.Duplicated + s.Told + s.Closed }

// Open opens a connection to a ws:// endpoint on this machine for each list of
// channels and subscribes to them. It returns when every subscription was
// answered. The caller makes them leave in the end; after an error there are none.
// The first connection shows the first token; those for which there is none are
// anonymous.
func Open(ctx context.Context, endpoint string, channels [][]string, tokens ...string) (*Followers, error) {
	f := new(Followers)
	for i, names := range channels {
		one := newFollower(f, names)
		if i < len(tokens) {
			one.token = tokens[i]
		}
		f.all = append(f.all, one)
	}
	if err := f.open(ctx, endpoint, opening); err != nil {
		f.Leave()
		return nil, err
	}
	return f, nil
}

// Subscriptions is how many there are in all.
func (f *Followers) Subscriptions() (n int64) {
	for _, one := range f.all {
		n += int64(len(one.channels))
	}
	return n
}

// Ended is closed when the i-th connection, from 0, has ended.
func (f *Followers) Ended(i int) <-chan struct{} { return f.all[i].ended }

// Return opens all connections again, at the same time, and subscribes with the
// positions that they had. It returns when every subscription was answered, and
// so every follower has what it missed. The followers must have left.
func (f *Followers) Return(ctx context.Context, endpoint string) error {
	return f.open(ctx, endpoint, len(f.all))
}

// open opens all connections, so many at a time, until one fails.
func (f *Followers) open(ctx context.Context, endpoint string, width int) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	d, err := client.NewDialer(ctx, u, false)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(width, 1))
	for i, one := range f.all {
		g.Go(func() error {
			if err := one.open(ctx, d, u, i); err != nil {
				return fmt.Errorf("follower %d of %d: %w", i+1, len(f.all), err)
			}
			return nil
		})
	}
	return g.Wait()
}

// Wait waits until so many messages have come in all, or for as long as it may,
// and returns how many did not.
func (f *Followers) Wait(ctx context.Context, messages int64, long time.Duration) (missing int64) {
	for end := time.Now().Add(long); f.came.Load() < messages && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(time.Millisecond)
	}
	return max(0, messages-f.came.Load())
}

// Seen adds up what all have seen. It may be called while messages come.
func (f *Followers) Seen() Seen {
	sum := Seen{Messages: f.came.Load()}
	for _, one := range f.all {
		one.mu.Lock()
		sum.Missing += one.seen.Missing
		sum.Duplicated += one.seen.Duplicated
		sum.Told += one.seen.Told
		sum.Closed += one.seen.Closed
		one.mu.Unlock()
	}
	return sum
}

// Leave cuts all connections without a goodbye and waits for the readers. What was
// seen and the positions are kept. A second call does nothing.
func (f *Followers) Leave() {
	for _, one := range f.all {
		one.leave()
	}
	f.readers.Wait()
}
