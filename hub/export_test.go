package hub

import "time"

// SetClock gives a node another clock. It is called before the hub runs.
func (h *Hub) SetClock(now func() time.Time) { h.now = now }

// NumChannels is how many channels a node has, with those that nobody holds.
func (h *Hub) NumChannels() int {
	h.registry.mu.Lock()
	defer h.registry.mu.Unlock()
	return len(h.registry.channels)
}

// Kept is what a broker remembers: channels, bytes of messages and idempotency keys.
func (b *MemoryBroker) Kept() [3]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keys.mu.Lock()
	defer b.keys.mu.Unlock()
	return [3]int64{int64(len(b.channels)), b.held.Load(), int64(len(b.keys.known))}
}
