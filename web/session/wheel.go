package session

import "sync"

// Wheel visits its members once in a turn, each in its second. One timer serves
// all of them: whoever owns the wheel calls Advance once a second. Its methods are
// safe for several goroutines.
type Wheel[M comparable] struct {
	mu    sync.Mutex // guards what follows, and the slots of members
	slots []map[M]struct{}
	turn  int // seconds
	hand  int
	next  int
}

// NewWheel makes a wheel that takes so many seconds for a turn.
func NewWheel[M comparable](seconds int) *Wheel[M] { return &Wheel[M]{turn: seconds} }

// Spread adds a member that is to be visited once in each turn. Members are spread
// evenly over the seconds. The slot belongs to the member, and to the wheel.
func (w *Wheel[M]) Spread(m M, slot *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = (w.next + 1) % w.turn
	w.put(m, slot, w.next)
}

// Delay adds a member that is to be visited when a turn is over: up to a second
// less than the wheel's.
func (w *Wheel[M]) Delay(m M, slot *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.put(m, slot, w.hand)
}

// put runs under the lock.
func (w *Wheel[M]) put(m M, slot *int, at int) {
	if w.slots == nil {
		w.slots = make([]map[M]struct{}, w.turn)
	}
	if w.slots[at] == nil {
		w.slots[at] = make(map[M]struct{})
	}
	w.slots[at][m] = struct{}{}
	*slot = at
}

// Remove takes a member off. One that is not on the wheel is no fault.
func (w *Wheel[M]) Remove(m M, slot *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.slots != nil {
		delete(w.slots[*slot], m)
	}
}

// Advance moves the hand by a second and returns the members that it reaches. They
// stay on the wheel.
func (w *Wheel[M]) Advance() []M {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.slots == nil {
		return nil
	}
	w.hand = (w.hand + 1) % w.turn
	due := make([]M, 0, len(w.slots[w.hand]))
	for m := range w.slots[w.hand] {
		due = append(due, m)
	}
	return due
}
