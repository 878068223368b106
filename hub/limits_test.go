package hub_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// bounded runs a hub with a memory broker of its own, without date ticks.
func bounded(t *testing.T, l hub.Limits, history hub.History) (*hub.Hub, *hub.MemoryBroker) {
	t.Helper()
	b := hub.NewMemoryBrokerWithin(l)
	h, stop := hubtest.Run(t, hub.Options{Broker: b, Limits: l, Rules: hub.Rules{{Match: "room*", History: history}}})
	t.Cleanup(stop)
	return h, b
}

// wantKept compares what a broker remembers.
func wantKept(t *testing.T, b *hub.MemoryBroker, when string, channels, bytes, keys int64) {
	t.Helper()
	if got, want := b.Kept(), [3]int64{channels, bytes, keys}; got != want {
		t.Errorf("%s: the broker keeps %d channels, %d bytes and %d keys, want %d", when, got[0], got[1], got[2], want)
	}
}

// wantLimit checks that an error names the key of a limit.
func wantLimit(t *testing.T, err error, key string) {
	t.Helper()
	var limit *hub.LimitError
	if !errors.As(err, &limit) || limit.Key != key || !strings.HasPrefix(err.Error(), key+": ") || errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("error %v, want a LimitError of %s that is no ErrUnavailable", err, key)
	}
}

// What subscribers make goes when they have gone.
func TestLeftChannelsCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := bounded(t, hub.Limits{}, hub.History{Size: 10})
		const n = 3000
		for i := range n {
			hubtest.Subscribe(t, h, fmt.Sprint("room", i), hubtest.NewRecorder("r"), lines).Cancel()
			if _, err := h.History(t.Context(), fmt.Sprint("room read", i), hub.HistoryOptions{Limit: -1}); err != nil {
				t.Fatal(err)
			}
		}
		wantKept(t, b, "subscribed", n, 0, 0)
		time.Sleep(5 * time.Second)
		wantKept(t, b, "left", 0, 0, 0)
		if n := h.NumChannels(); n != 0 {
			t.Errorf("the node has %d channels, want none", n)
		}
	})
}

// A channel to which nothing was published has a position to recover from, for
// which nothing is kept. When it was forgotten its numbers begin in another epoch.
func TestPositionOfForgottenChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := bounded(t, hub.Limits{}, hub.History{Size: 10, TTL: time.Minute})
		position := func() hub.Position {
			r, err := h.History(t.Context(), "room", hub.HistoryOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return r.Position
		}
		before := position()
		wantKept(t, b, "asked", 0, 0, 0)
		first := hubtest.Publish(t, h, "room", "1")
		if before.Epoch == "" || before.Offset != 0 || first != (hub.Position{Epoch: before.Epoch, Offset: 1}) {
			t.Errorf("after %+v comes %+v, want offset 1 in the same epoch", before, first)
		}
		time.Sleep(50 * time.Minute)
		if got := position(); got != first {
			t.Errorf("50 minutes later the position is %+v, want %+v", got, first)
		}
		time.Sleep(50 * time.Minute)
		wantKept(t, b, "in use", 1, 0, 0)
		time.Sleep(20 * time.Minute)
		wantKept(t, b, "forgotten", 0, 0, 0)
		if got := position(); got.Epoch == first.Epoch || got.Offset != 0 {
			t.Errorf("when it was forgotten the position is %+v, want another epoch than %s", got, first.Epoch)
		}
	})
}

// Who subscribes to a channel without messages is told of no loss because others
// are forgotten.
func TestForgettingOthersIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := bounded(t, hub.Limits{}, hub.History{Size: 10, TTL: time.Minute})
		l := hubtest.ListenForLosses(t, h, "room")
		for i := range 20_000 { // some of which share the epoch
			hubtest.Publish(t, h, fmt.Sprint("room", i), "1")
		}
		time.Sleep(2 * time.Hour)
		wantKept(t, b, "later", 1, 0, 0)
		hubtest.Publish(t, h, "room", "1")
		synctest.Wait()
		if l.Want(t, "1"); l.Losses() != 0 {
			t.Errorf("the subscriber was told of %d losses", l.Losses())
		}
	})
}

// Channels that somebody holds are bounded; those that were left make room.
func TestChannelLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := bounded(t, hub.Limits{Channels: 3}, hub.History{})
		subscribe := func(i int) (*hub.Subscription, error) {
			return h.Subscribe(t.Context(), fmt.Sprint("room", i), hubtest.NewRecorder("r"), lines, hub.SubscribeOptions{})
		}
		for i := range 1000 { // nobody stays
			sub, err := subscribe(i)
			if err != nil {
				t.Fatal(err)
			}
			sub.Cancel()
		}
		var held *hub.Subscription
		for i := range 3 {
			held, _ = subscribe(i)
		}
		_, err := subscribe(3)
		wantLimit(t, err, "limits.channels")
		if _, err := subscribe(2); err != nil {
			t.Errorf("a channel that is there: %v", err)
		}
		held.Cancel()
		_, err = subscribe(3)
		wantLimit(t, err, "limits.channels")
	})
}

// What is remembered of channels is bounded, until it is forgotten.
func TestRememberedChannelLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := bounded(t, hub.Limits{Channels: 10}, hub.History{Size: 10, TTL: time.Minute})
		for i := range 10 {
			hubtest.Publish(t, h, fmt.Sprint("room", i), "1")
		}
		wantLimit(t, hubtest.TryPublish(h, "room10", "1", ""), "limits.channels")
		hubtest.Publish(t, h, "room9", "2")
		time.Sleep(70 * time.Minute)
		wantKept(t, b, "later", 0, 0, 0)
		hubtest.Publish(t, h, "room10", "1")
	})
}

// One history is bounded by its rule, and all together by what the node keeps.
// What was there longer makes room in its own channel, and not in others.
func TestHistoryBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const message = 1000 + 128 // bytes that one counts
		h, b := bounded(t, hub.Limits{History: 10 * message}, hub.History{Size: 10, TTL: time.Minute, Bytes: 4 * message})
		data := strings.Repeat("1", 1000)
		for range 9 {
			hubtest.Publish(t, h, "room1", data)
		}
		wantKept(t, b, "one channel", 1, 4*message, 0)
		r, err := h.History(t.Context(), "room1", hub.HistoryOptions{Limit: -1})
		if err != nil || len(r.Messages) != 4 || r.Position.Offset != 9 || r.Messages[0].Offset != 6 {
			t.Errorf("the history has %d messages up to %+v (%v), want the last 4 of 9", len(r.Messages), r.Position, err)
		}
		large := strings.Repeat("1", 5*message)
		hubtest.Publish(t, h, "room1", large)
		wantKept(t, b, "one message over the bound", 1, int64(len(large)+128), 0)
		for range 4 {
			hubtest.Publish(t, h, "room1", data)
			hubtest.Publish(t, h, "room2", data)
		}
		hubtest.Publish(t, h, "room3", data)
		hubtest.Publish(t, h, "room3", data)
		wantKept(t, b, "full", 3, 10*message, 0)
		wantLimit(t, hubtest.TryPublish(h, "room3", data, "key"), "limits.history")
		wantKept(t, b, "refused", 3, 10*message, 0)
		hubtest.Publish(t, h, "room1", data)
		if err := h.RemoveHistory(t.Context(), "room1"); err != nil {
			t.Fatal(err)
		}
		wantKept(t, b, "removed", 3, 6*message, 0)
		hubtest.Publish(t, h, "room3", data)
		time.Sleep(2 * time.Minute)
		wantKept(t, b, "later", 3, 0, 0)
	})
}

// Idempotency keys are bounded, each is remembered for its time, and one that was
// used again has one place.
func TestIdempotencyKeyLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := bounded(t, hub.Limits{IdempotencyKeys: 2000}, hub.History{})
		publish := func(key string) error { return hubtest.TryPublish(h, "room", "x", key) }
		for range 2 {
			for i := range 2000 {
				if err := publish(fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			wantLimit(t, publish("more"), "limits.idempotency_keys")
			if err := publish("7"); err != nil {
				t.Errorf("a key that is known: %v", err)
			}
			time.Sleep(hub.DefaultIdempotencyTTL + 2*time.Second) // over, and perhaps not swept
		}
		for range 100 {
			time.Sleep(10 * time.Second)
		}
		if kept := b.Kept(); kept[2] > 0 {
			t.Errorf("%d keys are left", kept[2])
		}
		for i := range 2000 {
			if err := publish(fmt.Sprint("again", i)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
