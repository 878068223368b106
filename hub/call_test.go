package hub_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// startWith runs a hub that is prepared before.
func startWith(t *testing.T, b hub.Broker, prepare func(*hub.Hub)) *hub.Hub {
	t.Helper()
	h := hub.New(hub.Options{Broker: b})
	prepare(h)
	hubtest.RunHub(t, h)
	return h
}

// More calls than a node takes are not answered, and it goes on with those it has.
func TestCallsOverTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := startWith(t, hub.NewMemoryBroker(), func(h *hub.Hub) {
			h.HandleCall("wait", func(ctx context.Context, _ []byte) ([]byte, error) {
				select {
				case <-release:
				case <-ctx.Done():
				}
				return nil, nil
			})
		})
		var answered, refused atomic.Int64
		for range 1500 {
			go func() { // ends with the call
				_, err := h.CallAll(t.Context(), "wait", nil)
				if err == nil {
					answered.Add(1)
				} else if errors.Is(err, hub.ErrNoAnswer) {
					refused.Add(1)
				}
			}()
		}
		synctest.Wait() // until all have called
		if answered.Load()+refused.Load() > 0 {
			t.Errorf("%d calls have been answered and %d not, and nobody has done so", answered.Load(), refused.Load())
		}
		close(release)
		synctest.Wait()
		if n := answered.Load(); n != 1024 {
			t.Errorf("%d calls were answered, want 1024", n)
		}
		if _, err := h.CallAll(t.Context(), "wait", nil); err != nil {
			t.Errorf("when the others are over: %v", err)
		}
		time.Sleep(time.Second) // as long as the rest wait
		synctest.Wait()
		if n := refused.Load(); n != 476 {
			t.Errorf("%d calls were not answered, want 476", n)
		}
	})
}
