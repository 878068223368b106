package hub

import (
	"fmt"
	"testing"
	"time"
)

// However much there is to forget, publishers wait for a slice of it at most.
func TestSweepingInSlices(t *testing.T) {
	const n = 10*sweepSlice + 7
	b := NewMemoryBrokerWithin(Limits{})
	r := newRegistry(n)
	now := time.Now()
	for i := range n {
		name := fmt.Sprint(i)
		c, err := b.lock(name)
		if err != nil {
			t.Fatal(err)
		}
		c.mu.Unlock()
		if err := b.keys.reserve(now); err != nil {
			t.Fatal(err)
		}
		b.keys.add(memoryKey{name, name}, memoryOnce{end: now})
		held, _, _, err := r.retain(name, func() *channel { return &channel{name: name} })
		if err != nil {
			t.Fatal(err)
		}
		r.release(held)
	}
	later := now.Add(time.Hour)
	wantSlices(t, "the registry", n, func() int { return len(r.dropIdle(later, time.Minute)) })
	wantSlices(t, "keys", n, func() int {
		before := len(b.keys.known)
		b.keys.sweep(later, sweepSlice)
		return before - len(b.keys.known)
	})
	end := len(b.list)
	wantSlices(t, "the broker", n, func() int {
		before := len(b.list)
		if end > 0 {
			end = b.forgetBefore(end, later)
		}
		return before - len(b.list)
	})
}

// wantSlices checks that each turn handles so many at most, and all together all.
func wantSlices(t *testing.T, what string, all int, turn func() int) {
	t.Helper()
	done := 0
	for n := turn(); n > 0; n = turn() {
		if n > sweepSlice {
			t.Errorf("%s: %d at once, want %d at most", what, n, sweepSlice)
		}
		done += n
	}
	if done != all {
		t.Errorf("%s: %d of %d in all", what, done, all)
	}
}

// Who goes through the channels sees each that stays, whatever goes meanwhile.
func TestEachChannel(t *testing.T) {
	const n = 5*sweepSlice + 7
	r := newRegistry(2 * n)
	for i := range 2 * n {
		c, _, _, err := r.retain(fmt.Sprint(i), func() *channel { return &channel{name: fmt.Sprint(i)} })
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			r.release(c)
		}
	}
	seen := make(map[string]bool)
	for end := 2 * n; end > 0; {
		before := len(seen)
		end = r.eachBefore(end, func(c *channel) { seen[c.name] = true })
		if got := len(seen) - before; got > sweepSlice {
			t.Errorf("%d at once, want %d at most", got, sweepSlice)
		}
		r.mu.Lock()
		r.drop(sweepSlice/3, func(*channel) bool { return true })
		r.mu.Unlock()
	}
	for i := 1; i < 2*n; i += 2 {
		if !seen[fmt.Sprint(i)] {
			t.Fatalf("channel %d was left out", i)
		}
	}
}
