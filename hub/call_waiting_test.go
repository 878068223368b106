package hub_test

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
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
	for _, c := range []struct {
		name     string
		patience time.Duration // how long the caller waits; zero: it does not say
		node     string        // empty: the hub itself
		wait     string        // how long the answer takes
		took     time.Duration
		want     error // nil: an answer
	}{
		{"longer than others may", 10 * time.Second, "", "1200ms", 1200 * time.Millisecond, nil},
		{"without a deadline", 0, "", "1200ms", time.Second, hub.ErrNoAnswer},
		{"no longer than the caller", 50 * time.Millisecond, "", "1200ms", 50 * time.Millisecond, hub.ErrNoAnswer},
		{"no such node", 10 * time.Second, "nobody", "0s", 0, hub.ErrNoNode},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := waitingHub(t)
				ctx, cancel := t.Context(), func() {}
				if c.patience > 0 {
					ctx, cancel = context.WithTimeout(ctx, c.patience)
				}
				defer cancel()
				start := time.Now()
				answer, err := h.CallWaiting(ctx, cmp.Or(c.node, h.Node()), "wait", []byte(c.wait))
				if !errors.Is(err, c.want) || err == nil && string(answer) != "done" {
					t.Errorf("%q, %v; want %v", answer, err, c.want)
				}
				if c.want != nil && !errors.Is(err, hub.ErrNoAnswer) {
					t.Errorf("%v does not wrap ErrNoAnswer", err)
				}
				if d := time.Since(start); d != c.took {
					t.Errorf("it took %s, want %s", d, c.took)
				}
			})
		})
	}
}

func TestCallWaitingNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, err := waitingHub(t).CallWaiting(t.Context(), "", "wait", []byte("0s")); !errors.Is(err, hub.ErrNoNode) {
			t.Errorf("a call to a node without a name = %v, want ErrNoNode", err)
		}
	})
}

// TestCallWaitingManyAtOnce has more calls wait than others may be answered at the
// same time, and an ordinary call pass them.
func TestCallWaitingManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := waitingHub(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		const n = 3000
		failed := make(chan error, n)
		for range n {
			go func() { // ends with the call
				_, err := h.CallWaiting(ctx, h.Node(), "wait", []byte("1s"))
				failed <- err
			}()
		}
		synctest.Wait() // until all wait
		start := time.Now()
		if _, err := h.Call(t.Context(), h.Node(), "wait", []byte("1ms")); err != nil {
			t.Errorf("beside them: %v", err)
		}
		if d := time.Since(start); d != time.Millisecond {
			t.Errorf("beside them a call took %v, want the millisecond that it takes", d)
		}
		for range n {
			if err := <-failed; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestCallWaitingStops has a hub stop while a call waits.
func TestCallWaitingStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		waits := make(chan struct{})
		h.HandleCall("wait", func(ctx context.Context, _ []byte) ([]byte, error) {
			close(waits)
			<-ctx.Done()
			return nil, ctx.Err()
		})
		stop := hubtest.RunHub(t, h)
		called := make(chan error, 1)
		go func() { // ends with the call
			long, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			_, err := h.CallWaiting(long, h.Node(), "wait", nil)
			called <- err
		}()
		<-waits
		start := time.Now()
		stop()
		if d := time.Since(start); d > 0 {
			t.Errorf("it took %v to stop", d)
		}
		if err := <-called; err == nil {
			t.Error("the call succeeds")
		}
	})
}

// twiceBroker says that signals for one node reach it twice: so does Redis while
// it has not noticed that an earlier connection of the node is broken.
type twiceBroker struct{ *hub.MemoryBroker }

func (b twiceBroker) Signal(ctx context.Context, node string, data []byte) (int, error) {
	n, err := b.MemoryBroker.Signal(ctx, node, data)
	return 2 * n, err
}

func TestCallReachesTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWith(t, twiceBroker{hub.NewMemoryBroker()}, func(h *hub.Hub) {
			h.HandleCall("echo", func(_ context.Context, data []byte) ([]byte, error) { return data, nil })
		})
		if answer, err := h.Call(t.Context(), h.Node(), "echo", []byte("x")); string(answer) != "x" || err != nil {
			t.Errorf("%q, %v; want the one answer that comes", answer, err)
		}
	})
}
