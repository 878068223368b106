package hub_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"belfry/hub"
)

// waitingHub is a hub that calls itself, over the memory broker.
func waitingHub(t *testing.T) *hub.Hub {
	t.Helper()
	return startWith(t, hub.NewMemoryBroker(), func(h *hub.Hub) {
		h.HandleCall("wait", func(ctx context.Context, data []byte) ([]byte, error) {
			d, err := time.ParseDuration(string(data))
			if err != nil {
				return nil, err
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(d):
				return []byte("done"), nil
			}
		})
	})
}

func TestCallWaiting(t *testing.T) {
	t.Parallel()
	h := waitingHub(t)
	long, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, c := range []struct {
		name       string
		ctx        context.Context
		node, wait string
		want       error // nil: an answer
	}{
		{"longer than others may", long, h.Node(), "1200ms", nil},
		{"without a deadline", t.Context(), h.Node(), "1200ms", hub.ErrNoAnswer},
		{"no longer than the caller", short, h.Node(), "1200ms", hub.ErrNoAnswer},
		{"no such node", long, "nobody", "0s", hub.ErrNoNode},
		{"no name of a node", long, "", "0s", hub.ErrNoNode},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, err := h.CallWaiting(c.ctx, c.node, "wait", []byte(c.wait))
			if !errors.Is(err, c.want) || err == nil && string(answer) != "done" {
				t.Errorf("%q, %v; want %v", answer, err, c.want)
			}
			if c.want != nil && !errors.Is(err, hub.ErrNoAnswer) {
				t.Errorf("%v does not wrap ErrNoAnswer", err)
			}
		})
	}
	if answer, err := h.Call(t.Context(), h.Node(), "wait", []byte("1ms")); err != nil || string(answer) != "done" {
		t.Errorf("a call that does not wait: %q, %v", answer, err)
	}
}

// TestCallWaitingManyAtOnce has more calls wait than others may be answered at the
// same time, and an ordinary call pass them.
func TestCallWaitingManyAtOnce(t *testing.T) {
	t.Parallel()
	h := waitingHub(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	const n = 3000
	failed := make(chan error, n)
	for range n {
		go func() {
			_, err := h.CallWaiting(ctx, h.Node(), "wait", []byte("1s"))
			failed <- err
		}()
	}
	start := time.Now()
	if _, err := h.Call(t.Context(), h.Node(), "wait", []byte("1ms")); err != nil {
		t.Errorf("beside them: %v", err)
	}
	if d := time.Since(start); d > 800*time.Millisecond {
		t.Errorf("beside them a call took %v", d)
	}
	for range n {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
}

// TestCallWaitingStops has a hub stop while a call waits.
func TestCallWaitingStops(t *testing.T) {
	t.Parallel()
	h := hub.New(hub.Options{})
	waits := make(chan struct{})
	h.HandleCall("wait", func(ctx context.Context, _ []byte) ([]byte, error) {
		close(waits)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	done, called := make(chan error, 1), make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	go func() {
		long, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_, err := h.CallWaiting(long, h.Node(), "wait", nil)
		called <- err
	}()
	<-waits
	cancel()
	start := time.Now()
	if err := <-done; err != nil {
		t.Errorf("the hub stopped with %v", err)
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("it took %v to stop", d)
	}
	if err := <-called; err == nil {
		t.Error("the call succeeds")
	}
}

// twiceBroker says that signals for one node reach it twice: so does Redis while
// it has not noticed that an earlier connection of the node is broken.
type twiceBroker struct{ *hub.MemoryBroker }

func (b twiceBroker) Signal(ctx context.Context, node string, data []byte) (int, error) {
	n, err := b.MemoryBroker.Signal(ctx, node, data)
	return 2 * n, err
}

func TestCallReachesTwice(t *testing.T) {
	t.Parallel()
	h := startWith(t, twiceBroker{hub.NewMemoryBroker()}, func(h *hub.Hub) {
		h.HandleCall("echo", func(_ context.Context, data []byte) ([]byte, error) { return data, nil })
	})
	if answer, err := h.Call(t.Context(), h.Node(), "echo", []byte("x")); string(answer) != "x" || err != nil {
		t.Errorf("%q, %v; want the one answer that comes", answer, err)
	}
}
