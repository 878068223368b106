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

// sequence returns "1" to "n".
func sequence(n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprint(i + 1)
	}
	return s
}

func TestSubscribeHoldsUntilStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		r := hubtest.NewRecorder("r")
		sub := hubtest.Subscribe(t, h, "chat", r, lines)
		for _, data := range sequence(5) {
			hubtest.Publish(t, h, "chat", data)
		}
		synctest.Wait()
		if r.Len() != 0 {
			t.Errorf("%q came before Start", r.Data())
		}
		sub.Start()
		sub.Start()
		hubtest.Publish(t, h, "chat", "6")
		synctest.Wait()
		r.Want(t, sequence(6)...)
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
		sub := hubtest.Subscribe(t, h, channel, r, lines)
		var publishing sync.WaitGroup
		publishing.Go(func() {
			for _, data := range sequence(100) {
				hubtest.Publish(t, h, channel, data)
			}
		})
		sub.Start()
		publishing.Wait()
		r.Want(t, sequence(100)...)
	}
}

// What is held is bounded: who does not start in time is evicted at Start.
func TestHoldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		r := hubtest.NewRecorder("r")
		sub := hubtest.Subscribe(t, h, "chat", r, lines)
		big := strings.Repeat("d", 400<<10)
		for range 4 {
			hubtest.Publish(t, h, "chat", big)
		}
		synctest.Wait()
		sub.Start()
		hubtest.Publish(t, h, "chat", "late")
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
		sub := hubtest.Subscribe(t, h, "chat", r, lines)
		hubtest.Publish(t, h, "chat", strings.Repeat("d", 1<<20)) // its frame is longer
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
				sub := hubtest.Subscribe(t, h, "chat", r, lines)
				hubtest.Publish(t, h, "chat", "held")
				synctest.Wait()
				use(sub)
				before := r.Len()
				hubtest.Publish(t, h, "chat", "later")
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
			hubtest.Publish(t, h, "chat", "x")
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
		sub := hubtest.Subscribe(t, h, "chat", r, lines)
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
		early := hubtest.Listen(t, h, "chat", "early")
		hubtest.Publish(t, h, "chat", "1")
		hubtest.Publish(t, h, "chat", "2")
		late := hubtest.Listen(t, h, "chat", "late") // perhaps before the round of 1 and 2
		hubtest.Publish(t, h, "chat", "3")
		synctest.Wait()
		early.Want(t, "1", "2", "3")
		late.Want(t, "3")
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
		hubtest.Subscribe(t, h, "chat", first, lines).Start()
		hubtest.Publish(t, h, "chat", "1") // its round stands at the gate
		hubtest.Publish(t, h, "chat", "2")
		joined := make(chan *hubtest.Recorder)
		go func() { // waits for the section of the first
			r := hubtest.NewRecorder("late")
			if sub, err := h.Subscribe(context.Background(), "chat", r, lines, hub.SubscribeOptions{}); err == nil {
				sub.Start()
			}
			joined <- r
		}()
		hubtest.Publish(t, h, "chat", "3")
		close(gate)
		late := <-joined
		hubtest.Publish(t, h, "chat", "4")
		first.Want(t, "1", "2", "3", "4")
		hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.HasSuffix(late.Frames(), "4\n") }, "the last message")
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
		anna, ben := hubtest.Listen(t, h, "chat", "anna"), hubtest.Listen(t, h, "chat", "ben")
		for i, exclude := range []string{"anna", "", "ben", "anna", "nobody"} {
			m := &hub.Message{Data: fmt.Append(nil, i+1), Exclude: exclude}
			if _, err := h.Publish(t.Context(), "chat", m, hub.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		anna.Want(t, "2", "3", "5")
		ben.Want(t, "1", "2", "4", "5")
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
		slow := hubtest.Listen(t, h, "chat", "slow")
		hubtest.Publish(t, h, "chat", "1")
		synctest.Wait()
		slow.Refuse(true)
		hubtest.Publish(t, h, "chat", "2")
		synctest.Wait()
		slow.Refuse(false) // its buffer has room again before it closes itself
		hubtest.Publish(t, h, "chat", "3")
		synctest.Wait()
		slow.Want(t, "1")
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
			hubtest.Publish(t, h, "chat", "slow has gone")
			if n := h.NumSubscribers("chat"); n != 1 {
				t.Errorf("%d are left, want 1", n)
			}
		}
		sub = hubtest.Subscribe(t, h, "chat", slow, lines)
		sub.Start()
		quick := hubtest.Listen(t, h, "chat", "quick")
		hubtest.Publish(t, h, "chat", "1")
		synctest.Wait()
		quick.Want(t, "1", "slow has gone")
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
		sub := hubtest.Subscribe(t, h, "chat", slow, lines)
		slow.OnEvict = sub.Cancel
		hubtest.Publish(t, h, "chat", "1")
		synctest.Wait()
		sub.Start()
		hubtest.Publish(t, h, "chat", "2")
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
				subs[i] = hubtest.Subscribe(t, h, "chat", rs[i], lines)
				subs[i].Start()
			}
			hubtest.Publish(t, h, "chat", "1")
			for _, r := range rs {
				r.Want(t, "1")
			}
			for i := 0; i < n; i += 2 { // holes in every section
				subs[i].Cancel()
			}
			if got, want := h.NumSubscribers("chat"), n/2; got != want {
				t.Errorf("%d subscribers are left, want %d", got, want)
			}
			late := hubtest.Listen(t, h, "chat", "late")
			hubtest.Publish(t, h, "chat", "2")
			late.Want(t, "2")
			for i, r := range rs {
				if i%2 == 1 {
					r.Want(t, "1", "2")
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
		hubtest.Subscribe(t, h, "chat", r, lines).Start()
		var published atomic.Int64
		data := strings.Repeat("d", 1<<20)
		go func() {
			for range 40 {
				hubtest.Publish(t, h, "chat", data)
				published.Add(1)
			}
		}()
		synctest.Wait() // until the publisher waits for room
		if n := published.Load(); n < 16 || n > 19 {
			t.Errorf("%d messages of 1 MiB were accepted into a queue of 16 MiB", n)
		}
		hubtest.Publish(t, h, "other", "no other channel waits")
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
			hubtest.Listen(t, h, fmt.Sprint("chat", i), "r")
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
		hubtest.Subscribe(t, h, "chat", r, lines).Start()
		at := func(ms int, data ...string) {
			time.Sleep(time.Until(start.Add(time.Duration(ms) * time.Millisecond)))
			for _, d := range data {
				hubtest.Publish(t, h, "chat", d)
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

// A machine that is busy may take longer than the caller has. What was done by then is
// no error.
func TestSubscribeAtTheLastMoment(t *testing.T) {
	h, _ := hubtest.Run(t, hub.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 64 {
		sub, err := h.Subscribe(ctx, "chat", hubtest.NewRecorder(fmt.Sprint(i)), hubtest.Lines{}, hub.SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		sub.Cancel()
	}
}
