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
type wheel struct {
	mu    sync.Mutex // guards what follows, and the slot of sessions
	slots [wheelSlots]map[*session]struct{}
	hand  int
	next  int
}

// add puts a session on the wheel. Its first ping comes within pingInterval.
func (w *wheel) add(c *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = (w.next + 1) % wheelSlots
	c.slot = w.next
	if w.slots[c.slot] == nil {
		w.slots[c.slot] = make(map[*session]struct{})
	}
	w.slots[c.slot][c] = struct{}{}
}

// remove takes a session off. One that is not on the wheel is no fault.
func (w *wheel) remove(c *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.slots[c.slot], c)
}

// turn moves the hand by one slot and pings its sessions.
func (w *wheel) turn() {
	for _, c := range w.advance() {
		c.transport.ping()
		c.protocol.ping()
	}
}

func (w *wheel) advance() []*session {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hand = (w.hand + 1) % wheelSlots
	due := make([]*session, 0, len(w.slots[w.hand]))
	for c := range w.slots[w.hand] {
		due = append(due, c)
	}
	return due
}
