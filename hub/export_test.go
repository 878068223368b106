package hub

import "time"

// SetClock gives a node another clock. It is called before the hub runs.
func (h *Hub) SetClock(now func() time.Time) { h.now = now }
