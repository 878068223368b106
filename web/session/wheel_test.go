package session_test

import (
	"testing"

	"belfry/web/session"
)

// visits turns a wheel for so many seconds, and returns in which each member was
// visited.
func visits(w *session.Wheel[string], seconds int) map[string][]int {
	at := make(map[string][]int)
	for second := 1; second <= seconds; second++ {
		for _, m := range w.Advance() {
			at[m] = append(at[m], second)
		}
	}
	return at
}

// TestWheelSpread visits every member once in a turn, and in no second more than
// its share.
func TestWheelSpread(t *testing.T) {
	w := session.NewWheel[int](5)
	slots := make([]int, 20)
	for i := range slots {
		w.Spread(i, &slots[i])
	}
	for range 2 {
		seen := make(map[int]int)
		for range 5 {
			due := w.Advance()
			if len(due) != len(slots)/5 {
				t.Errorf("%d of %d in one second", len(due), len(slots))
			}
			for _, m := range due {
				seen[m]++
			}
		}
		if len(seen) != len(slots) {
			t.Errorf("%d of %d are visited in a turn", len(seen), len(slots))
		}
	}
}

// TestWheelDelay visits a member when a turn is over, wherever the hand stands.
func TestWheelDelay(t *testing.T) {
	w := session.NewWheel[string](4)
	for begin := range 9 {
		var slot int
		w.Delay("a", &slot)
		if at := visits(w, 9)["a"]; len(at) != 2 || at[0] != 4 || at[1] != 8 {
			t.Errorf("begun after %d seconds, visited at %v; want at 4 and 8", begin, at)
		}
		w.Remove("a", &slot)
		w.Advance()
	}
}

func TestWheelRemove(t *testing.T) {
	w := session.NewWheel[string](3)
	var a, b, never int
	w.Remove("never", &never)
	if due := w.Advance(); len(due) != 0 {
		t.Errorf("an empty wheel visits %v", due)
	}
	w.Delay("a", &a)
	w.Delay("b", &b)
	w.Remove("a", &a)
	w.Remove("a", &a)
	w.Remove("never", &never)
	if at := visits(w, 3); len(at["a"]) != 0 || len(at["b"]) != 1 {
		t.Errorf("visited %v", at)
	}
}
