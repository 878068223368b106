package hub_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// mute is a broker that, once told to, answers no question about a history before
// its time is over.
type mute struct {
	*hub.MemoryBroker
	told atomic.Bool
}

func (m *mute) History(ctx context.Context, channel string, o hub.HistoryOptions) (hub.HistoryResult, error) {
	if m.told.Load() {
		time.Sleep(1500 * time.Millisecond)
		return hub.HistoryResult{}, hub.ErrUnavailable
	}
	return m.MemoryBroker.History(ctx, channel, o)
}

// While the broker does not answer, those who recover on a channel do not wait
// for one another longer than each of them may.
func TestRecoverWhileNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &mute{MemoryBroker: hub.NewMemoryBroker()}
		h, stop := hubtest.Run(t, hub.Options{Broker: b, Rules: keeping})
		hubtest.Listen(t, h, "chat", "stays")
		since := hubtest.Publish(t, h, "chat", "1")
		hubtest.Publish(t, h, "chat", "2")
		b.told.Store(true)
		start := time.Now()
		var many sync.WaitGroup
		for range 20 {
			many.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				_, err := h.Subscribe(ctx, "chat", hubtest.NewRecorder("r"), lines, hub.SubscribeOptions{Recover: &since})
				if !errors.Is(err, hub.ErrUnavailable) {
					t.Errorf("Subscribe = %v, want ErrUnavailable", err)
				}
			})
		}
		many.Wait()
		if d := time.Since(start); d > 2*time.Second+1500*time.Millisecond {
			t.Errorf("the last one waited for %s", d)
		}
		stop()
	})
}
