package load

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Followers are connections of the Centrifuge protocol, each subscribed to one
// or more channels with history. They keep their positions, and can come back
// with them. The methods are for one goroutine.
type Followers struct {
	all     []*follower
	came    atomic.Int64 // messages in order
	readers sync.WaitGroup
}

// Followed is what followers have seen, added up over their subscriptions.
type Followed struct {
	Messages   int64 // each once, and none out of order
	Missing    int64 // offsets that were passed over
	Duplicated int64 // offsets that came twice or late
	Told       int64 // times that the server said that messages are lost
	Closed     int64 // connections that the server has ended
}

// Faults is how often something was not as it should be.
func (f Followed) Faults() int64 { return f.Missing + f.Duplicated + f.Told + f.Closed }

// Follow opens a connection to a ws:// endpoint on this machine for each list of
// channels and subscribes to them. It returns when every subscription was
// answered. The caller makes them leave in the end.
func Follow(ctx context.Context, endpoint string, channels [][]string) (*Followers, error) {
	f := new(Followers)
	for _, names := range channels {
		f.all = append(f.all, newFollower(f, names))
	}
	if err := f.open(ctx, endpoint, dialing); err != nil {
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

// Return opens all connections again, at the same time, and subscribes with the
// positions that they had. It returns when every subscription was answered, and
// so every follower has what it missed. The followers must have left.
func (f *Followers) Return(ctx context.Context, endpoint string) error {
	return f.open(ctx, endpoint, len(f.all))
}

func (f *Followers) open(ctx context.Context, endpoint string, width int) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	d, err := newDialer(ctx, u, false)
	if err != nil {
		return err
	}
	return inParallel(ctx, width, len(f.all), func(ctx context.Context, i int) error {
		if err := f.all[i].open(ctx, d, u, i); err != nil {
			return fmt.Errorf("follower %d of %d: %w", i+1, len(f.all), err)
		}
		return nil
	})
}

// Wait waits until so many messages have come in all, or for as long as it may,
// and returns how many did not.
func (f *Followers) Wait(ctx context.Context, messages int64, long time.Duration) (missing int64) {
	for end := time.Now().Add(long); f.came.Load() < messages && time.Now().Before(end) && ctx.Err() == nil; {
		pause(ctx, time.Millisecond)
	}
	return max(0, messages-f.came.Load())
}

// Seen adds up what all have seen.
func (f *Followers) Seen() Followed {
	sum := Followed{Messages: f.came.Load()}
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

// Leave cuts all connections. What was seen and the positions are kept. A second
// call does nothing.
func (f *Followers) Leave() {
	for _, one := range f.all {
		one.leave()
	}
	f.readers.Wait()
}
