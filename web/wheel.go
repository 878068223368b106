package web

import (
	"sync"
	"time"
)

const (
	// pingInterval is how often a session is pinged. A session that has not
	// answered by the next ping is closed, or by the one after it.
	pingInterval = 25 * time.Second
	wheelSlots   = int(pingInterval / time.Second)
)

// wheel pings sessions, each once in pingInterval, spread evenly over the
// seconds. One timer serves all sessions, and one goroutine: with melody's own
// pings every session has a timer and a goroutine whose stack grows for them,
// which together cost 2.3 KiB.
type wheel struct{ ring[*session] }

// add puts a session on the wheel. Its first ping comes within pingInterval.
func (w *wheel) add(c *session) { w.put(c, &c.slot, wheelSlots) }

// remove takes a session off. One that is not on the wheel is no fault.
func (w *wheel) remove(c *session) { w.take(c, &c.slot) }

// turn moves the hand by one slot and pings its sessions.
func (w *wheel) turn() {
	for _, c := range w.advance() {
		c.transport.ping()
		c.protocol.ping()
	}
}

// beats is the wheel of connections that carry sessions over HTTP, each of which
// has its turn once in a beat.
type beats struct{ ring[beating] }

// beating is a connection that wants to be looked after.
type beating interface{ beat() }

func (b *beats) add(c beating, slot *int)    { b.put(c, slot, int(beat/time.Second)) }
func (b *beats) remove(c beating, slot *int) { b.take(c, slot) }

// turn moves the hand by one slot and looks after its connections.
func (b *beats) turn() {
	for _, c := range b.advance() {
		c.beat()
	}
}

// ring spreads its members evenly over slots. The zero value is empty.
type ring[M comparable] struct {
	mu    sync.Mutex // guards what follows, and the slot of members
	slots []map[M]struct{}
	hand  int
	next  int
}

// put adds a member and notes its slot. The number of slots does not change.
func (r *ring[M]) put(m M, slot *int, slots int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slots == nil {
		r.slots = make([]map[M]struct{}, slots)
	}
	r.next = (r.next + 1) % slots
	*slot = r.next
	if r.slots[*slot] == nil {
		r.slots[*slot] = make(map[M]struct{})
	}
	r.slots[*slot][m] = struct{}{}
}

func (r *ring[M]) take(m M, slot *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slots != nil {
		delete(r.slots[*slot], m)
	}
}

// advance moves the hand and returns the members of its slot.
func (r *ring[M]) advance() []M {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slots == nil {
		return nil
	}
	r.hand = (r.hand + 1) % len(r.slots)
	due := make([]M, 0, len(r.slots[r.hand]))
	for m := range r.slots[r.hand] {
		due = append(due, m)
	}
	return due
}
