package hub_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
)

// maxStill is how long the date may stand still after a clock was set.
const maxStill = 3500 * time.Millisecond

// offClock is a clock that is off by as many nanoseconds as a test says.
type offClock struct{ off atomic.Int64 }

func (c *offClock) now() time.Time { return time.Now().Add(time.Duration(c.off.Load())) }

// offNode runs a node with a clock that is off.
func offNode(t *testing.T, b hub.Broker, off time.Duration) (h *hub.Hub, c *offClock, stop func()) {
	t.Helper()
	c = &offClock{}
	c.off.Store(int64(off))
	h = hub.New(hub.Options{Broker: b})
	h.SetClock(c.now)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- h.Run(ctx); close(done) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return h, c, stop
}

// struck returns the ticks and when they came.
func (c *clock) struck() ([]*hub.Message, []time.Time) {
	ticks := c.Messages()
	c.mu.Lock()
	defer c.mu.Unlock()
	return ticks, slices.Clone(c.times)
}

// wantGoing checks that the date went on: never still for longer than maxStill,
// and from one tick to the next by a second, but for so many steps.
func (c *clock) wantGoing(t *testing.T, steps int) {
	t.Helper()
	ticks, came := c.struck()
	for i := 1; i < len(ticks); i++ {
		if still := came[i].Sub(came[i-1]); still > maxStill {
			t.Errorf("%s: the date stood still for %s before %s", c.ID(), still, ticks[i].Data)
		}
		if ticks[i].Tick != ticks[i-1].Tick+1 {
			steps--
		}
	}
	if steps != 0 {
		t.Errorf("%s: %d steps fewer than expected in %q", c.ID(), steps, c.Data())
	}
}

// shows checks what the last tick says, compared with the true time.
func (c *clock) shows(t *testing.T, off time.Duration) {
	t.Helper()
	ticks, came := c.struck()
	last := time.Unix(ticks[len(ticks)-1].Tick, 0)
	if d := last.Sub(time.Now().Add(off)).Abs(); d > 2*time.Second || time.Since(came[len(ticks)-1]) > 2*time.Second {
		t.Errorf("%s: the date shows %s %s ago, want the true time and %s", c.ID(), last.UTC(), time.Since(came[len(ticks)-1]), off)
	}
}

// A clock is set while the server runs: the date follows it, and does not stop.
func TestTickWhenTheClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{-time.Hour, -59 * time.Second, -30 * time.Second, -4 * time.Second, 30 * time.Second, time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, own, _ := offNode(t, nil, 0)
				c := watch(t, h, "clock")
				time.Sleep(10*time.Second + 500*time.Millisecond)
				own.off.Store(int64(by))
				time.Sleep(20 * time.Second)
				c.wantGoing(t, 1)
				c.shows(t, by)
			})
		})
	}
}

// Nodes whose clocks differ show one date, each second once; and when the node
// that was ahead is gone, the others go on.
func TestTickOfNodesWhoseClocksDiffer(t *testing.T) {
	for _, ahead := range []time.Duration{5 * time.Second, 90 * time.Second, time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown()
				var clocks []*clock
				for i := range 2 {
					h, _, _ := offNode(t, w.node(), 0)
					clocks = append(clocks, watch(t, h, fmt.Sprint("node ", i)))
				}
				h, _, stop := offNode(t, w.node(), ahead+100*time.Millisecond)
				clocks = append(clocks, watch(t, h, "the one ahead"))
				time.Sleep(20*time.Second + 500*time.Millisecond)
				for _, c := range clocks {
					c.wantGoing(t, 0)
					c.shows(t, ahead)
				}
				stop()
				time.Sleep(20 * time.Second)
				for _, c := range clocks[:2] {
					c.wantGoing(t, 1)
					c.shows(t, 0)
				}
			})
		})
	}
}
