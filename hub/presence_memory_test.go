package hub_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// A broker that does not run makes nobody wait for longer than it may, and tells
// when it does; once it has stopped nobody waits.
func TestMemoryPresenceWithoutRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hub.NewMemoryBroker()
		h := hub.New(hub.Options{Broker: b})
		r := hubtest.Listen(t, h, "chat", "r")
		start := time.Now()
		err := b.Join(t.Context(), "chat", hubtest.Client("anna"))
		if d := time.Since(start); !errors.Is(err, hub.ErrUnavailable) || d > 2*time.Second {
			t.Errorf("Join = %v after %s, want ErrUnavailable within two seconds", err, d)
		}
		hubtest.WantPresent(t, h, "chat", "anna", 1)
		b.Leave("chat", "anna")
		b.Leave("chat", "anna")
		b.Leave("chat", "nobody")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		synctest.Wait()
		r.WantJoinsAndLeaves(t, "+anna", "-anna")
		cancel()
		<-ended
		start = time.Now()
		if err := b.Join(t.Context(), "chat", hubtest.Client("late")); err != nil || time.Since(start) > 0 {
			t.Errorf("Join after the end = %v after %s", err, time.Since(start))
		}
	})
}
