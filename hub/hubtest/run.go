package hubtest

import (
	"context"
	"testing"

	"belfry/hub"
)

// Run makes a hub and runs it until the test ends or the returned function is
// called, which waits for the hub to have stopped. A second call does nothing.
func Run(t testing.TB, o hub.Options) (h *hub.Hub, stop func()) {
	t.Helper()
	h = hub.New(o)
	return h, RunHub(t, h)
}

// RunHub is Run for a hub that was made, and perhaps prepared, before.
func RunHub(t testing.TB, h *hub.Hub) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx); close(done) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the hub stopped with %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}
