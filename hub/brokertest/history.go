package brokertest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// remembering are rules with a history of ten messages for every channel.
var remembering = hub.Rules{{Match: "*", ServerPublish: true, History: hub.History{Size: 10, TTL: time.Hour}}}

var historyChecks = []check{
	{"positions", checkPositions},
	{"reading", checkReading},
	{"bounds", checkBounds},
	{"bytes", checkBytes},
	{"recovery in parts", checkRecoveryInParts},
	{"age", checkAge},
	{"differing clocks", checkDifferingClocks},
	{"recovery", checkRecovery},
	{"no recovery", checkNoRecovery},
	{"made-up position", checkMadeUpPosition},
	{"recovery, busy", checkBusyRecovery},
	{"one read for many", checkOneRead},
	{"idempotency", checkIdempotentPosition},
	{"removal", checkRemoval},
}

func checkPositions(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, remembering)
	r := hubtest.Listen(t, hubs[1], "chat", "r")
	first := hubtest.Publish(t, hubs[0], "chat", "1")
	second := hubtest.Publish(t, hubs[1], "chat", "2")
	skipped := hubtest.PublishWith(t, hubs[1], "chat", "skipped", hub.PublishOptions{SkipHistory: true}).Position
	if first.Epoch == "" || first.Epoch != second.Epoch || first.Offset != 1 || second.Offset != 2 {
		t.Errorf("positions %+v and %+v, want offsets 1 and 2 in one epoch", first, second)
	}
	if skipped != (hub.Position{}) {
		t.Errorf("a message outside of the history has the position %+v", skipped)
	}
	r.Wait(t, 3)
	for i, m := range r.Messages() {
		if want := []uint64{1, 2, 0}[i]; m.Offset != want {
			t.Errorf("message %d came with offset %d, want %d", i, m.Offset, want)
		}
	}
}

func checkReading(t *testing.T, s Setup) {
	h := s.nodes(t, 1, remembering)[0]
	last := hubtest.PublishNumbers(t, h, "chat", 1, 5)
	at := func(offset uint64) *hub.Position { return &hub.Position{Epoch: last.Epoch, Offset: offset} }
	cases := []struct {
		name string
		o    hub.HistoryOptions
		want []string
	}{
		{"position only", hub.HistoryOptions{}, nil},
		{"all", hub.HistoryOptions{Limit: -1}, []string{"1", "2", "3", "4", "5"}},
		{"first two", hub.HistoryOptions{Limit: 2}, []string{"1", "2"}},
		{"since", hub.HistoryOptions{Limit: -1, Since: at(3)}, []string{"4", "5"}},
		{"since, one", hub.HistoryOptions{Limit: 1, Since: at(1)}, []string{"2"}},
		{"since the end", hub.HistoryOptions{Limit: -1, Since: at(5)}, nil},
		{"since the future", hub.HistoryOptions{Limit: -1, Since: at(99)}, nil},
		{"reverse", hub.HistoryOptions{Limit: 2, Reverse: true}, []string{"5", "4"}},
		{"reverse since the first", hub.HistoryOptions{Limit: -1, Reverse: true, Since: at(1)}, nil},
		{"reverse since the beginning", hub.HistoryOptions{Limit: -1, Reverse: true, Since: at(0)}, nil},
		{"reverse since the future", hub.HistoryOptions{Limit: 1, Reverse: true, Since: at(math.MaxUint64)}, []string{"5"}},
		{"since the end of numbers", hub.HistoryOptions{Limit: -1, Since: at(math.MaxUint64)}, nil},
		{"reverse since", hub.HistoryOptions{Limit: -1, Reverse: true, Since: at(3)}, []string{"2", "1"}},
	}
	for _, tc := range cases {
		r, err := h.History(t.Context(), "chat", tc.o)
		if got := hubtest.Data(r.Messages); err != nil || !slices.Equal(got, tc.want) || r.Position != last {
			t.Errorf("%s: got %q at %+v (%v), want %q at %+v", tc.name, got, r.Position, err, tc.want, last)
		}
	}
}

func checkBounds(t *testing.T, s Setup) {
	h := s.nodes(t, 1, remembering)[0]
	hubtest.PublishNumbers(t, h, "chat", 1, 25)
	r, err := h.History(t.Context(), "chat", hub.HistoryOptions{Limit: -1})
	if err != nil || len(r.Messages) != 10 || r.Messages[0].Offset != 16 || r.Position.Offset != 25 {
		t.Errorf("got %d messages from %q to %+v (%v), want the last ten of 25", len(r.Messages), hubtest.Data(r.Messages), r.Position, err)
	}
}

// What is read has a bound in bytes, wherever reading starts; one message is read
// whatever its size.
func checkBytes(t *testing.T, s Setup) {
	h := s.nodes(t, 1, remembering)[0]
	big := func(n int) string { return fmt.Sprintf("%q", fmt.Sprint(n)+strings.Repeat("x", 4000)) }
	var last hub.Position
	for n := range 10 {
		last = hubtest.Publish(t, h, "chat", big(n+1))
	}
	at := func(offset uint64) *hub.Position { return &hub.Position{Epoch: last.Epoch, Offset: offset} }
	for _, tc := range []struct {
		name string
		o    hub.HistoryOptions
		want []uint64
	}{
		{"two", hub.HistoryOptions{Limit: -1, Bytes: 9000}, []uint64{1, 2}},
		{"two since", hub.HistoryOptions{Limit: -1, Bytes: 9000, Since: at(7)}, []uint64{8, 9}},
		{"two in reverse", hub.HistoryOptions{Limit: -1, Bytes: 9000, Reverse: true}, []uint64{10, 9}},
		{"two in reverse since", hub.HistoryOptions{Limit: -1, Bytes: 9000, Reverse: true, Since: at(4)}, []uint64{3, 2}},
		{"fewer than fit", hub.HistoryOptions{Limit: 1, Bytes: 9000}, []uint64{1}},
		{"one is over the bound", hub.HistoryOptions{Limit: -1, Bytes: 10}, []uint64{1}},
		{"nothing", hub.HistoryOptions{Limit: -1, Bytes: 10, Since: at(10)}, nil},
		{"the position", hub.HistoryOptions{Bytes: 10}, nil},
		{"no bound", hub.HistoryOptions{Limit: -1, Since: at(8)}, []uint64{9, 10}},
	} {
		r, err := h.History(t.Context(), "chat", tc.o)
		var got []uint64
		for _, m := range r.Messages {
			got = append(got, m.Offset)
		}
		if err != nil || !slices.Equal(got, tc.want) || r.Position != last {
			t.Errorf("%s: got %v at %+v (%v), want %v at %+v", tc.name, got, r.Position, err, tc.want, last)
		}
	}
}

// A subscriber that wants no more bytes than so many at once recovers everything in
// parts, each from the end of the one before; what excludes it does not keep it
// from going on.
func checkRecoveryInParts(t *testing.T, s Setup) {
	h := s.nodes(t, 1, hub.Rules{{Match: "*", History: hub.History{Size: 200, TTL: time.Hour, Bytes: 64 << 20}}})[0]
	at := hubtest.Publish(t, h, "chat", "0")
	last, want := at, []string(nil)
	for i := range 120 {
		m := &hub.Message{Data: fmt.Appendf(nil, "%q", fmt.Sprint(i, strings.Repeat("x", 60_000)))}
		if i%3 == 0 {
			m.Exclude = "r"
		} else {
			want = append(want, hubtest.Text(m.Data))
		}
		r, err := h.Publish(t.Context(), "chat", m, hub.PublishOptions{})
		if err != nil {
			t.Fatal(err)
		}
		last = r.Position
	}
	var got []string
	parts := 0
	for more := true; more; parts++ {
		o := hub.SubscribeOptions{Recover: &at, RecoverBytes: 250_000}
		sub, err := h.Subscribe(t.Context(), "chat", hubtest.NewRecorder("r"), hubtest.Lines{}, o)
		if err != nil || !sub.Recovered || sub.Position != last || len(sub.Missed) == 0 || len(sub.Missed) > 4 {
			t.Fatalf("part %d, after %+v: %v, recovered %t %d messages at %+v", parts, at, err, sub.Recovered, len(sub.Missed), sub.Position)
		}
		got = append(got, hubtest.Data(sub.Missed)...)
		at.Offset, more = sub.Missed[len(sub.Missed)-1].Offset, sub.More
		sub.Cancel()
	}
	if !slices.Equal(got, want) || parts < 20 {
		t.Errorf("%d messages came in %d parts, want %d in 20 at least", len(got), parts, len(want))
	}
	sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("s"), hub.Position{Epoch: last.Epoch, Offset: last.Offset - 100})
	if !sub.Recovered || sub.More || len(sub.Missed) != 100 {
		t.Errorf("without a bound: recovered %t %d messages, more %t", sub.Recovered, len(sub.Missed), sub.More)
	}
}

func checkAge(t *testing.T, s Setup) {
	h := s.nodes(t, 1, hub.Rules{{Match: "*", History: hub.History{Size: 10, TTL: 300 * time.Millisecond}}})[0]
	since := hubtest.Publish(t, h, "chat", "old")
	hubtest.Publish(t, h, "chat", "older than the rule allows")
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		r, err := h.History(t.Context(), "chat", hub.HistoryOptions{Limit: -1})
		return err == nil && len(r.Messages) == 0 && r.Position.Offset == 2
	}, "the messages are forgotten, and the position is not")
	sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("r"), since)
	if sub.Recovered {
		t.Errorf("recovered %q although it is too old", hubtest.Data(sub.Missed))
	}
}

// Messages are no older or younger because the clock of their publisher is
// behind or ahead.
func checkDifferingClocks(t *testing.T, s Setup) {
	h := s.nodes(t, 1, remembering)[0]
	var last hub.Position
	for i, off := range []time.Duration{-48 * time.Hour, -time.Hour, 0, time.Hour, 0} {
		m := &hub.Message{Data: fmt.Append(nil, i+1), Time: time.Now().Add(off).UnixMilli()}
		r, err := h.Publish(t.Context(), "chat", m, hub.PublishOptions{})
		if err != nil {
			t.Fatal(err)
		}
		last = r.Position
	}
	r, err := h.History(t.Context(), "chat", hub.HistoryOptions{Limit: -1, Reverse: true})
	if got := hubtest.Data(r.Messages); err != nil || !slices.Equal(got, []string{"5", "4", "3", "2", "1"}) {
		t.Errorf("history: %q (%v), want all five", got, err)
	}
	for range 2 { // read, and at hand
		sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("r"), hub.Position{Epoch: last.Epoch})
		if got := hubtest.Data(sub.Missed); !sub.Recovered || !slices.Equal(got, []string{"1", "2", "3", "4", "5"}) {
			t.Errorf("recovered=%t %q, want all five", sub.Recovered, got)
		}
	}
}

func checkRecovery(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, remembering)
	last := hubtest.PublishNumbers(t, hubs[0], "chat", 1, 5)
	r := hubtest.NewRecorder("r")
	sub := hubtest.Recover(t, hubs[1], "chat", r, hub.Position{Epoch: last.Epoch, Offset: 2})
	if got := hubtest.Data(sub.Missed); !sub.Recovered || !slices.Equal(got, []string{"3", "4", "5"}) || sub.Position != last {
		t.Errorf("recovered=%t %q at %+v, want 3, 4 and 5 at %+v", sub.Recovered, got, sub.Position, last)
	}
	sub.Start()
	hubtest.PublishNumbers(t, hubs[0], "chat", 6, 7)
	r.Want(t, "6", "7")

	for _, epoch := range []string{last.Epoch, ""} { // empty is any
		upToDate := hubtest.Recover(t, hubs[1], "chat", hubtest.NewRecorder("s"), hub.Position{Epoch: epoch, Offset: 7})
		if !upToDate.Recovered || len(upToDate.Missed) != 0 {
			t.Errorf("up to date in epoch %q: recovered=%t %q, want true and nothing", epoch, upToDate.Recovered, hubtest.Data(upToDate.Missed))
		}
	}
}

func checkNoRecovery(t *testing.T, s Setup) {
	h := s.nodes(t, 1, remembering)[0]
	last := hubtest.PublishNumbers(t, h, "chat", 1, 25)
	for name, p := range map[string]hub.Position{
		"too far behind": {Epoch: last.Epoch, Offset: 5},
		"another epoch":  {Epoch: "other", Offset: 24},
		"the future":     {Epoch: last.Epoch, Offset: 26},
	} {
		sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("r"), p)
		if sub.Recovered || len(sub.Missed) != 0 || sub.Position != last {
			t.Errorf("%s: recovered=%t %q at %+v, want nothing at %+v", name, sub.Recovered, hubtest.Data(sub.Missed), sub.Position, last)
		}
	}
}

// A position on a channel without a history is made up. It does no harm to those
// who listen there.
func checkMadeUpPosition(t *testing.T, s Setup) {
	h := s.nodes(t, 1, hub.Rules{{Match: "*", ServerPublish: true}})[0]
	l := hubtest.ListenForLosses(t, h, "chat")
	for range 2 {
		sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("r"), hub.Position{Offset: 5})
		if sub.Recovered || sub.Position != (hub.Position{}) {
			t.Errorf("recovered=%t at %+v, want false and no position", sub.Recovered, sub.Position)
		}
	}
	hubtest.Publish(t, h, "chat", "1")
	l.Want(t, "1")
	if n := l.Losses(); n != 0 {
		t.Errorf("a subscriber was told of %d losses", n)
	}
}

// Subscribers come back at random positions while many publish: what they miss
// and what comes live has no hole and nothing twice.
func checkBusyRecovery(t *testing.T, s Setup) {
	rules := hub.Rules{{Match: "*", History: hub.History{Size: 5000, TTL: time.Hour}}}
	hubs := s.nodes(t, 2, rules)
	first := hubtest.PublishNumbers(t, hubs[0], "chat", 1, 1)
	var done atomic.Bool
	var publishing sync.WaitGroup
	for p := range 3 {
		publishing.Go(func() {
			for i := 0; i < 600 && !done.Load(); i++ {
				hubtest.Publish(t, hubs[p%2], "chat", "x")
			}
		})
	}
	for i := range 40 {
		r := hubtest.NewRecorder("r")
		since := hub.Position{Epoch: first.Epoch, Offset: 1 + uint64(rand.IntN(1+i))}
		sub := hubtest.Recover(t, hubs[i%2], "chat", r, since)
		if !sub.Recovered {
			if since.Offset <= sub.Position.Offset {
				t.Fatalf("not recovered from %d to %d", since.Offset, sub.Position.Offset)
			}
			continue
		}
		sub.Start()
		time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
		sub.Cancel()
		hubtest.WantOneByOne(t, since.Offset, append(slices.Clone(sub.Missed), r.Messages()...))
	}
	done.Store(true)
	publishing.Wait()
}

func checkOneRead(t *testing.T, s Setup) {
	h := s.nodes(t, 1, remembering)[0]
	last := hubtest.PublishNumbers(t, h, "chat", 1, 10)
	before := h.Stats().Reads
	var subscribing sync.WaitGroup
	for range 50 {
		subscribing.Go(func() {
			sub, err := h.Subscribe(context.Background(), "chat", hubtest.NewRecorder("r"), hubtest.Lines{},
				hub.SubscribeOptions{Recover: &hub.Position{Epoch: last.Epoch, Offset: 4}})
			if err != nil || !sub.Recovered || len(sub.Missed) != 6 {
				t.Errorf("recovery: %v", err)
				return
			}
			sub.Cancel()
		})
	}
	subscribing.Wait()
	if n := h.Stats().Reads - before; n != 1 {
		t.Errorf("%d reads of the history for 50 who recover, want 1", n)
	}
}

func checkIdempotentPosition(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, remembering)
	first := hubtest.PublishWith(t, hubs[0], "chat", "1", hub.PublishOptions{IdempotencyKey: "k"})
	hubtest.Publish(t, hubs[0], "chat", "2")
	again := hubtest.PublishWith(t, hubs[1], "chat", "1", hub.PublishOptions{IdempotencyKey: "k"})
	if !again.Duplicate || again.Position != first.Position {
		t.Errorf("the second publish got %+v, want a duplicate at %+v", again, first.Position)
	}
}

func checkRemoval(t *testing.T, s Setup) {
	h := s.nodes(t, 1, remembering)[0]
	last := hubtest.PublishNumbers(t, h, "chat", 1, 3)
	if err := h.RemoveHistory(t.Context(), "chat"); err != nil {
		t.Fatal(err)
	}
	r, err := h.History(t.Context(), "chat", hub.HistoryOptions{Limit: -1})
	if err != nil || len(r.Messages) != 0 || r.Position != last {
		t.Errorf("after the removal: %q at %+v (%v), want nothing at %+v", hubtest.Data(r.Messages), r.Position, err, last)
	}
	if next := hubtest.PublishNumbers(t, h, "chat", 4, 4); next.Epoch != last.Epoch || next.Offset != 4 {
		t.Errorf("the next message is at %+v, want offset 4 in the same epoch", next)
	}
}
