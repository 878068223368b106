package hub_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// lines is the wire format of tests that need only one.
var lines = hubtest.Lines{}

// subscribe subscribes without starting.
func subscribe(t testing.TB, h *hub.Hub, channel string, s hub.Subscriber, e hub.Encoder) *hub.Subscription {
	t.Helper()
	sub, err := h.Subscribe(t.Context(), channel, s, e, hub.SubscribeOptions{})
	if err != nil {
		t.Fatalf("Subscribe(%q) = %v", channel, err)
	}
	t.Cleanup(sub.Cancel)
	return sub
}

// listen subscribes a new recorder and starts.
func listen(t testing.TB, h *hub.Hub, channel, id string) *hubtest.Recorder {
	t.Helper()
	r := hubtest.NewRecorder(id)
	subscribe(t, h, channel, r, lines).Start()
	return r
}

// publish publishes data that has to be accepted.
func publish(t testing.TB, h *hub.Hub, channel, data string) {
	t.Helper()
	if _, err := h.Publish(context.Background(), channel, &hub.Message{Data: []byte(data)}, hub.PublishOptions{}); err != nil {
		t.Fatalf("Publish(%q, %q) = %v", channel, data, err)
	}
}

// sequence returns "1" to "n".
func sequence(n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprint(i + 1)
	}
	return s
}

func wantData(t testing.TB, r *hubtest.Recorder, want ...string) {
	t.Helper()
	if got := r.Wait(t, len(want)); !slices.Equal(got, want) {
		t.Errorf("%s got %q, want %q", r.ID(), got, want)
	}
}

func TestSubscribeHoldsUntilStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		r := hubtest.NewRecorder("r")
		sub := subscribe(t, h, "chat", r, lines)
		for _, data := range sequence(5) {
			publish(t, h, "chat", data)
		}
		synctest.Wait()
		if r.Len() != 0 {
			t.Errorf("%q came before Start", r.Data())
		}
		sub.Start()
		sub.Start()
		publish(t, h, "chat", "6")
		synctest.Wait()
		wantData(t, r, sequence(6)...)
		if got, want := r.Frames(), "1\n2\n3\n4\n5\n6\n"; got != want {
			t.Errorf("frames are %q, want %q", got, want)
		}
	})
}

// Messages published while Start runs neither overtake those that were held nor
// get lost.
func TestStartKeepsTheOrder(t *testing.T) {
	h := hub.New(hub.Options{})
	for round := range 50 {
		channel := fmt.Sprint(round)
		r := hubtest.NewRecorder("r")
		sub := subscribe(t, h, channel, r, lines)
		var publishing sync.WaitGroup
		publishing.Go(func() {
			for _, data := range sequence(100) {
				publish(t, h, channel, data)
			}
		})
		sub.Start()
		publishing.Wait()
		wantData(t, r, sequence(100)...)
	}
}

// What is held is bounded: who does not start in time is evicted at Start.
func TestHoldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		r := hubtest.NewRecorder("r")
		sub := subscribe(t, h, "chat", r, lines)
		big := strings.Repeat("d", 400<<10)
		for range 4 {
			publish(t, h, "chat", big)
		}
		synctest.Wait()
		sub.Start()
		publish(t, h, "chat", "late")
		synctest.Wait()
		if r.Evicted() != 1 || r.Len() != 0 {
			t.Errorf("evicted %d times after %d messages, want once and none", r.Evicted(), r.Len())
		}
	})
}

// One message may be held whatever its size, as one may wait at a connection.
func TestHoldTakesOneBigMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		r := hubtest.NewRecorder("r")
		sub := subscribe(t, h, "chat", r, lines)
		publish(t, h, "chat", strings.Repeat("d", 1<<20)) // its frame is longer
		synctest.Wait()
		sub.Start()
		if r.Evicted() != 0 || r.Len() != 1 {
			t.Errorf("evicted %d times with %d messages, want never and 1", r.Evicted(), r.Len())
		}
	})
}

func TestCancelEndsDelivery(t *testing.T) {
	for name, use := range map[string]func(*hub.Subscription){
		"started":         func(s *hub.Subscription) { s.Start(); s.Cancel() },
		"never started":   func(s *hub.Subscription) { s.Cancel() },
		"started after":   func(s *hub.Subscription) { s.Cancel(); s.Start() },
		"cancelled twice": func(s *hub.Subscription) { s.Start(); s.Cancel(); s.Cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hub.New(hub.Options{})
				r := hubtest.NewRecorder("r")
				sub := subscribe(t, h, "chat", r, lines)
				publish(t, h, "chat", "held")
				synctest.Wait()
				use(sub)
				before := r.Len()
				publish(t, h, "chat", "later")
				synctest.Wait()
				if strings.HasPrefix(name, "started") && name != "started after" && before != 1 {
					t.Errorf("%d messages came between Start and Cancel, want 1", before)
				}
				if name != "started" && name != "cancelled twice" && r.Len() != 0 {
					t.Errorf("%q came to a subscription that was cancelled", r.Data())
				}
				if r.Len() != before || h.NumSubscribers("chat") != 0 {
					t.Errorf("after Cancel came %q, and %d are subscribed", r.Data()[before:], h.NumSubscribers("chat"))
				}
			})
		})
	}
}

// When Cancel has returned nothing is being delivered, whatever is under way.
func TestCancelWaitsForADelivery(t *testing.T) {
	h := hub.New(hub.Options{})
	var stop sync.WaitGroup
	var done atomic.Bool
	stop.Go(func() {
		for !done.Load() {
			publish(t, h, "chat", "x")
		}
	})
	for range 300 {
		var cancelled atomic.Bool
		r := hubtest.NewRecorder("r")
		r.OnDeliver = func(*hub.Subscription, hub.Delivery) {
			if cancelled.Load() {
				t.Error("delivered after Cancel")
			}
		}
		sub := subscribe(t, h, "chat", r, lines)
		sub.Start()
		sub.Cancel()
		cancelled.Store(true)
	}
	done.Store(true)
	stop.Wait()
}

func TestLateJoinersGetWhatComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		early := listen(t, h, "chat", "early")
		publish(t, h, "chat", "1")
		publish(t, h, "chat", "2")
		late := listen(t, h, "chat", "late") // perhaps before the round of 1 and 2
		publish(t, h, "chat", "3")
		synctest.Wait()
		wantData(t, early, "1", "2", "3")
		wantData(t, late, "3")
		if got := late.Frames(); got != "3\n" {
			t.Errorf("the late one got the frames %q", got)
		}
	})
}

// A round may hold messages from before and after a join; only the later ones
// are for the one who joins.
func TestJoinDuringARound(t *testing.T) {
	for range 50 {
		h := hub.New(hub.Options{})
		gate := make(chan struct{})
		first := hubtest.NewRecorder("first")
		first.OnDeliver = func(*hub.Subscription, hub.Delivery) { <-gate }
		subscribe(t, h, "chat", first, lines).Start()
		publish(t, h, "chat", "1") // its round stands at the gate
		publish(t, h, "chat", "2")
		joined := make(chan *hubtest.Recorder)
		go func() { // waits for the section of the first
			r := hubtest.NewRecorder("late")
			if sub, err := h.Subscribe(context.Background(), "chat", r, lines, hub.SubscribeOptions{}); err == nil {
				sub.Start()
			}
			joined <- r
		}()
		publish(t, h, "chat", "3")
		close(gate)
		late := <-joined
		publish(t, h, "chat", "4")
		wantData(t, first, "1", "2", "3", "4")
		hubtest.Eventually(t, 15*time.Second, func() bool { return strings.HasSuffix(late.Frames(), "4\n") }, "the last message")
		got, want := late.Data(), []string{"2", "3", "4"}
		if len(got) > 3 || !slices.Equal(got, want[3-len(got):]) {
			t.Fatalf("the late one got %q, want an end of %q", got, want)
		}
		if frames := strings.Join(got, "\n") + "\n"; late.Frames() != frames {
			t.Fatalf("the late one got the frames %q, want %q", late.Frames(), frames)
		}
	}
}

func TestExclude(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		anna, ben := listen(t, h, "chat", "anna"), listen(t, h, "chat", "ben")
		for i, exclude := range []string{"anna", "", "ben", "anna", "nobody"} {
			m := &hub.Message{Data: fmt.Append(nil, i+1), Exclude: exclude}
			if _, err := h.Publish(t.Context(), "chat", m, hub.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		wantData(t, anna, "2", "3", "5")
		wantData(t, ben, "1", "2", "4", "5")
		if a, b := anna.Frames(), ben.Frames(); a != "2\n3\n5\n" || b != "1\n2\n4\n5\n" {
			t.Errorf("frames are %q and %q", a, b)
		}
	})
}

// A subscriber that refuses has missed a message, so nothing may follow: the
// peer would see a gap.
func TestRefusalIsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		slow := listen(t, h, "chat", "slow")
		publish(t, h, "chat", "1")
		synctest.Wait()
		slow.Refuse(true)
		publish(t, h, "chat", "2")
		synctest.Wait()
		slow.Refuse(false) // its buffer has room again before it closes itself
		publish(t, h, "chat", "3")
		synctest.Wait()
		wantData(t, slow, "1")
		if n := slow.Evicted(); n != 1 {
			t.Errorf("evicted %d times, want once", n)
		}
	})
}

// Evict may do whatever a session does when it closes, so no lock is held.
func TestEvictionIsOutsideLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		slow := hubtest.NewRecorder("slow")
		slow.Refuse(true)
		var sub *hub.Subscription
		slow.OnEvict = func() {
			sub.Cancel()
			publish(t, h, "chat", "slow has gone")
			if n := h.NumSubscribers("chat"); n != 1 {
				t.Errorf("%d are left, want 1", n)
			}
		}
		sub = subscribe(t, h, "chat", slow, lines)
		sub.Start()
		quick := listen(t, h, "chat", "quick")
		publish(t, h, "chat", "1")
		synctest.Wait()
		wantData(t, quick, "1", "slow has gone")
		if slow.Evicted() != 1 || slow.Len() != 0 {
			t.Errorf("the slow one was evicted %d times and got %q", slow.Evicted(), slow.Data())
		}
	})
}

// The same for what was held: Start evicts, and may be what the peer's own
// goroutine calls.
func TestEvictionByStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		slow := hubtest.NewRecorder("slow")
		slow.Refuse(true)
		sub := subscribe(t, h, "chat", slow, lines)
		slow.OnEvict = sub.Cancel
		publish(t, h, "chat", "1")
		synctest.Wait()
		sub.Start()
		publish(t, h, "chat", "2")
		synctest.Wait()
		if slow.Evicted() != 1 || slow.Refused() != 1 || h.NumSubscribers("chat") != 0 {
			t.Errorf("evicted %d times after %d refusals, %d left", slow.Evicted(), slow.Refused(), h.NumSubscribers("chat"))
		}
	})
}

func TestManySubscribers(t *testing.T) {
	for _, n := range []int{255, 256, 257, 2500} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			h := hub.New(hub.Options{})
			rs := make([]*hubtest.Recorder, n)
			subs := make([]*hub.Subscription, n)
			for i := range rs {
				rs[i] = hubtest.NewRecorder(fmt.Sprint(i))
				subs[i] = subscribe(t, h, "chat", rs[i], lines)
				subs[i].Start()
			}
			publish(t, h, "chat", "1")
			for _, r := range rs {
				wantData(t, r, "1")
			}
			for i := 0; i < n; i += 2 { // holes in every section
				subs[i].Cancel()
			}
			if got, want := h.NumSubscribers("chat"), n/2; got != want {
				t.Errorf("%d subscribers are left, want %d", got, want)
			}
			late := listen(t, h, "chat", "late")
			publish(t, h, "chat", "2")
			wantData(t, late, "2")
			for i, r := range rs {
				if i%2 == 1 {
					wantData(t, r, "1", "2")
				} else if r.Len() != 1 {
					t.Errorf("%s left after 1 message and got %q", r.ID(), r.Data())
				}
			}
		})
	}
}

// Publishers wait when a channel's queue is full, and go on when it is not.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		gate := make(chan struct{})
		r := hubtest.NewRecorder("r")
		r.OnDeliver = func(*hub.Subscription, hub.Delivery) { <-gate }
		subscribe(t, h, "chat", r, lines).Start()
		var published atomic.Int64
		data := strings.Repeat("d", 1<<20)
		go func() {
			for range 40 {
				publish(t, h, "chat", data)
				published.Add(1)
			}
		}()
		synctest.Wait() // until the publisher waits for room
		if n := published.Load(); n < 16 || n > 19 {
			t.Errorf("%d messages of 1 MiB were accepted into a queue of 16 MiB", n)
		}
		publish(t, h, "other", "no other channel waits")
		close(gate)
		synctest.Wait()
		if n := published.Load(); n != 40 || r.Len() != 40 {
			t.Errorf("%d were published and %d delivered, want 40", n, r.Len())
		}
	})
}

func TestSubscribeErrors(t *testing.T) {
	h := hub.New(hub.Options{Rules: hub.Rules{{Match: "chat"}}})
	for _, channel := range []string{"", "news"} {
		if _, err := h.Subscribe(t.Context(), channel, hubtest.NewRecorder("r"), lines, hub.SubscribeOptions{}); err == nil {
			t.Errorf("Subscribe(%q) takes a channel that no rule matches", channel)
		}
		if _, err := h.Publish(t.Context(), channel, &hub.Message{}, hub.PublishOptions{}); err == nil {
			t.Errorf("Publish(%q) takes a channel that no rule matches", channel)
		}
	}
	if n := h.NumSubscribers("news"); n != 0 {
		t.Errorf("%d subscribers after refused subscriptions", n)
	}
}

// Publishers may outlive the hub by a moment; neither they nor Run suffer.
func TestPublishWhileStopping(t *testing.T) {
	for range 30 {
		h, stop := hubtest.Run(t, hub.Options{})
		for i := range 3 {
			listen(t, h, fmt.Sprint("chat", i), "r")
		}
		var publishing sync.WaitGroup
		var done atomic.Bool
		for i := range 3 {
			publishing.Go(func() {
				for !done.Load() {
					_, _ = h.Publish(context.Background(), fmt.Sprint("chat", i), &hub.Message{Data: []byte("x")}, hub.PublishOptions{})
				}
			})
		}
		time.Sleep(time.Millisecond)
		stop()
		done.Store(true)
		publishing.Wait()
	}
}

// What comes during a round goes out together, after a pause as long as the
// round; nothing else waits.
func TestBusyChannelGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		start := time.Now()
		var rounds []string
		r := hubtest.NewRecorder("r")
		r.OnDeliver = func(_ *hub.Subscription, d hub.Delivery) {
			rounds = append(rounds, fmt.Sprintf("%d at %s", len(d.Messages), time.Since(start)))
			time.Sleep(10 * time.Millisecond) // what a round to many takes
		}
		subscribe(t, h, "chat", r, lines).Start()
		at := func(ms int, data ...string) {
			time.Sleep(time.Until(start.Add(time.Duration(ms) * time.Millisecond)))
			for _, d := range data {
				publish(t, h, "chat", d)
			}
		}
		full := strings.Repeat("d", 60<<10)
		at(0, "1")
		at(5, "2")
		at(15, "3")
		at(100, "4") // the channel is idle
		at(200, full, full, full, full)
		at(400)
		synctest.Wait()
		want := []string{"1 at 0s", "2 at 20ms", "1 at 100ms", "1 at 200ms", "1 at 210ms", "1 at 220ms", "1 at 240ms"}
		if !slices.Equal(rounds, want) {
			t.Errorf("rounds were %q, want %q", rounds, want)
		}
	})
}
