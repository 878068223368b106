package hub

import (
	"context"
	"time"
)

const (
	// maxWait is how long a call may wait at most.
	maxWait = 30 * time.Second
	// waitsAtOnce is how many calls may wait at a node at the same time. More are
	// not answered. Each costs a goroutine.
	waitsAtOnce = 32 << 10
)

// CallWaiting is Call for what may take long, such as waiting for a message of a
// client of another node. It waits until the context ends, though not longer
// than 30 seconds; without a deadline a second, as Call does. The context of the
// handler ends at the same time, or when its hub stops, and calls that wait take
// no room from others.
func (h *Hub) CallWaiting(ctx context.Context, node, name string, data []byte) ([]byte, error) {
	wait := callWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(time.Until(deadline), maxWait)
	}
	return h.callOne(ctx, node, signal{Name: name, Data: data, Wait: max(wait.Milliseconds(), 1)})
}

// takeWaiting has a call answered that may wait, if there is room.
func (h *Hub) takeWaiting(s signal) {
	select {
	case h.calls.waits <- struct{}{}:
		h.background(func() {
			defer func() { <-h.calls.waits }()
			ctx, cancel := context.WithTimeout(h.calls.life, s.patience())
			defer cancel()
			h.answer(ctx, s)
		})
	default:
		h.logger.Warn("a call was not answered: too many wait", "node", s.From, "call", s.Name, "most", waitsAtOnce)
	}
}

// patience is how long who made the call waits for its answer.
func (s *signal) patience() time.Duration {
	if s.Wait <= 0 {
		return callWait
	}
	return time.Duration(min(s.Wait, maxWait.Milliseconds())) * time.Millisecond
}
