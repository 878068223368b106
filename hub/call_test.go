package hub_test

import (
	"context"
	"errors"
	"sync"
	"testing"
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
	var mu sync.Mutex
	answered, refused := 0, 0
	var calling sync.WaitGroup
	for range 1500 {
		calling.Go(func() {
			_, err := h.CallAll(t.Context(), "wait", nil)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				answered++
			} else if errors.Is(err, hub.ErrNoAnswer) {
				refused++
			}
		})
	}
	time.Sleep(300 * time.Millisecond) // until all have called
	close(release)
	calling.Wait()
	if answered != 1024 || refused != 476 {
		t.Errorf("%d calls were answered and %d not, want 1024 and 476", answered, refused)
	}
}
