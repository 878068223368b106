package hub_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// replaced is a broker in whose place another one can be put, which numbers messages
// in another epoch and brings none.
type replaced struct {
	*hub.MemoryBroker
	by   atomic.Pointer[hub.MemoryBroker]
	gate chan struct{} // reads of histories wait for it to be closed
}

func (r *replaced) now() *hub.MemoryBroker {
	if b := r.by.Load(); b != nil {
		return b
	}
	return r.MemoryBroker
}

func (r *replaced) History(ctx context.Context, channel string, o hub.HistoryOptions) (hub.HistoryResult, error) {
	<-r.gate
	return r.now().History(ctx, channel, o)
}

func (r *replaced) Positions(ctx context.Context, channels []string, seen []hub.Position) ([]hub.Position, error) {
	return r.now().Positions(ctx, channels, seen)
}

// Those who come back while another epoch begins that the node has not heard of are
// told once, of the new one, and get no messages of it for those that they miss.
func TestRecoverWhileTheEpochChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := hub.NewMemoryBroker()
		elsewhere, stopElsewhere := hubtest.Run(t, hub.Options{Broker: other, Rules: keeping})
		after := hubtest.PublishNumbers(t, elsewhere, "chat", 101, 109)
		b := &replaced{MemoryBroker: hub.NewMemoryBroker(), gate: make(chan struct{})}
		h, stop := hubtest.Run(t, hub.Options{Broker: b, Rules: keeping})
		l := hubtest.ListenForLosses(t, h, "chat")
		since := hubtest.Publish(t, h, "chat", "1")
		hubtest.PublishNumbers(t, h, "chat", 2, 3)
		b.by.Store(other)
		var many sync.WaitGroup
		for range 20 {
			many.Go(func() { wantOneEpoch(t, h, since, after) })
		}
		synctest.Wait() // they have joined in the one epoch
		close(b.gate)
		many.Wait()
		synctest.Wait()
		if got := l.Data(); l.Losses() != 1 || !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("who was there got %q and was told %d times, want once", got, l.Losses())
		}
		stop()
		stopElsewhere()
	})
}

// wantOneEpoch comes back with a position of one epoch, and wants to hear where
// another one is.
func wantOneEpoch(t *testing.T, h *hub.Hub, since, after hub.Position) {
	sub, err := h.Subscribe(context.Background(), "chat", hubtest.NewRecorder("r"), lines, hub.SubscribeOptions{Recover: &since})
	if err != nil {
		t.Error(err)
		return
	}
	defer sub.Cancel()
	if sub.Recovered || sub.Position != after || len(sub.Missed) > 0 {
		t.Errorf("recovered from %+v: %t, at %+v with %q; want that it cannot be, at %+v", since, sub.Recovered, sub.Position, hubtest.Data(sub.Missed), after)
	}
}
