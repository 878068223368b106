package hub_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// A channel without subscribers is kept for a while, for those who come back,
// and then let go of at the broker.
func TestIdleChannels(t *testing.T) {
	for _, c := range []struct {
		name string
		use  func(*testing.T, *hub.Hub)
		want []string
	}{
		{"left", func(t *testing.T, h *hub.Hub) {
			hubtest.Subscribe(t, h, "chat", hubtest.NewRecorder("a"), lines).Cancel()
			time.Sleep(10 * time.Second)
		}, []string{"subscribe chat", "unsubscribe chat"}},
		{"back soon", func(t *testing.T, h *hub.Hub) {
			for range 5 {
				hubtest.Subscribe(t, h, "chat", hubtest.NewRecorder("a"), lines).Cancel()
				time.Sleep(2 * time.Second)
			}
		}, []string{"subscribe chat"}},
		{"back late", func(t *testing.T, h *hub.Hub) {
			for range 2 {
				hubtest.Subscribe(t, h, "chat", hubtest.NewRecorder("a"), lines).Cancel()
				time.Sleep(10 * time.Second)
			}
		}, []string{"subscribe chat", "unsubscribe chat", "subscribe chat", "unsubscribe chat"}},
		{"one of two left", func(t *testing.T, h *hub.Hub) {
			hubtest.Listen(t, h, "chat", "a")
			hubtest.Subscribe(t, h, "chat", hubtest.NewRecorder("b"), lines).Cancel()
			time.Sleep(10 * time.Second)
		}, []string{"subscribe chat"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown()
				h, stop := hubtest.Run(t, hub.Options{Broker: w.node()})
				c.use(t, h)
				stop()
				if got := w.requests(); !slices.Equal(got, c.want) {
					t.Errorf("the broker was asked %q, want %q", got, c.want)
				}
			})
		})
	}
}

// Somebody who comes back just as the channel is let go of gets everything.
func TestBackAsAChannelIsLetGoOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := hubtest.Run(t, hub.Options{})
		for i := range 20 {
			sub := hubtest.Subscribe(t, h, "chat", hubtest.NewRecorder("a"), lines)
			sub.Start()
			sub.Cancel()
			time.Sleep(3*time.Second + time.Duration(i)*150*time.Millisecond)
			r := hubtest.Listen(t, h, "chat", "b")
			hubtest.Publish(t, h, "chat", "1")
			synctest.Wait()
			r.Want(t, "1")
		}
	})
}
