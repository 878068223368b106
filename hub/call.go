package hub

import (
	"context"
	"time"
)

// HandleCall names who answers calls of a name, which is not empty, on this node.
// It is called before Run, and not twice for one name.
func (h *Hub) HandleCall(name string, f CallHandler) { h.calls.handlers[name] = f }

// Node is the ID of this node. It is new for each hub.
func (h *Hub) Node() string { return h.node }

// CallAll asks every node, this one included, and returns the answers that came
// within a second, or what [Options] say instead, in no order. Errors wrap [ErrUnavailable] when nobody was
// asked, and [ErrNoAnswer] when somebody has not answered; the other answers are
// there. Data and answers have at most 768 KiB.
func (h *Hub) CallAll(ctx context.Context, name string, data []byte) ([]Answer, error) {
	return h.calls.call(ctx, "", signal{Name: name, Data: data})
}

// Call asks one node. Errors are those of CallAll, or what the node answered.
func (h *Hub) Call(ctx context.Context, node, name string, data []byte) ([]byte, error) {
	return h.calls.callOne(ctx, node, signal{Name: name, Data: data})
}

// CallWaiting is Call for what may take long, such as waiting for a message of a
// client of another node. It waits until the context ends, though not longer
// than 30 seconds; without a deadline a second, as Call does. The context of the
// handler ends at the same time, or when its hub stops, and calls that wait take
// no room from others.
func (h *Hub) CallWaiting(ctx context.Context, node, name string, data []byte) ([]byte, error) {
	wait := h.calls.patience
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(time.Until(deadline), maxWait)
	}
	return h.calls.callOne(ctx, node, signal{Name: name, Data: data, Wait: max(wait.Milliseconds(), 1)})
}

// HandleSignal implements [Handler].
func (h *Hub) HandleSignal(data []byte) { h.calls.received(data) }
