package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// callWait bounds how long a node may take to answer a call.
	callWait = time.Second
	// callsAtOnce is how many calls of others a node answers at the same time.
	// More are not answered.
	callsAtOnce = 256
	// maxSignal is the largest signal in bytes.
	maxSignal = 1 << 20
)

// ErrNoAnswer is wrapped by the errors of calls that not every node has
// answered in time, or that go to a node which does not exist.
var ErrNoAnswer = errors.New("no answer from a node")

// CallHandler answers a call of a node. It runs on a goroutine of its own, and
// its context ends when nobody waits for the answer any more.
type CallHandler func(ctx context.Context, data []byte) ([]byte, error)

// Answer is what one node has answered to a call.
type Answer struct {
	Node string
	Data []byte
	Err  error // what the handler returned, its text alone
}

// signal is how a call and its answer travel.
type signal struct {
	From   string `json:"from"`           // ID of a node
	Call   uint64 `json:"call"`           // number of the call at the node that made it
	Name   string `json:"name,omitempty"` // empty in answers
	Data   []byte `json:"data,omitempty"`
	Failed string `json:"failed,omitempty"`
}

// calls are the calls under way, and who answers those of others.
type calls struct {
	handlers map[string]CallHandler // not changed once the hub runs
	busy     chan struct{}          // a token for each call being answered

	mu      sync.Mutex // guards what follows
	last    uint64
	waiting map[uint64]chan<- Answer
}

func newCalls() calls {
	return calls{
		handlers: make(map[string]CallHandler),
		busy:     make(chan struct{}, callsAtOnce),
		waiting:  make(map[uint64]chan<- Answer),
	}
}

// HandleCall names who answers calls of a name on this node. It is called before
// Run, and not twice for one name.
func (h *Hub) HandleCall(name string, f CallHandler) { h.calls.handlers[name] = f }

// Node is the ID of this node. It is new for each hub.
func (h *Hub) Node() string { return h.node }

// CallAll asks every node, this one included, and returns the answers that came
// within a second. Errors wrap [ErrUnavailable] when nobody was asked, and
// [ErrNoAnswer] when somebody has not answered; the other answers are there.
func (h *Hub) CallAll(ctx context.Context, name string, data []byte) ([]Answer, error) {
	return h.call(ctx, "", name, data)
}

// Call asks one node. Errors are those of CallAll, or what the node answered.
func (h *Hub) Call(ctx context.Context, node, name string, data []byte) ([]byte, error) {
	answers, err := h.call(ctx, node, name, data)
	if err != nil {
		return nil, err
	}
	return answers[0].Data, answers[0].Err
}

func (h *Hub) call(ctx context.Context, node, name string, data []byte) ([]Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	came := make(chan Answer, callsAtOnce)
	number := h.calls.begin(came)
	defer h.calls.end(number)
	reached, err := h.signal(ctx, node, signal{From: h.node, Call: number, Name: name, Data: data})
	if err != nil {
		return nil, err
	}
	var answers []Answer
	for len(answers) < max(reached, 1) {
		select {
		case a := <-came:
			answers = append(answers, a)
		case <-ctx.Done():
			return answers, fmt.Errorf("%w: %q was answered by %d of %d", ErrNoAnswer, name, len(answers), reached)
		}
	}
	return answers, nil
}

// signal sends a call or an answer.
func (h *Hub) signal(ctx context.Context, node string, s signal) (reached int, err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	if len(text) > maxSignal {
		return 0, fmt.Errorf("signal %q: %d bytes, at most %d travel between nodes", s.Name, len(text), maxSignal)
	}
	reached, err = h.broker.Signal(ctx, node, text)
	if err == nil && reached == 0 {
		err = fmt.Errorf("%w: there is no node %q", ErrNoAnswer, node)
	}
	return reached, err
}

func (c *calls) begin(came chan<- Answer) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	c.waiting[c.last] = came
	return c.last
}

func (c *calls) end(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, number)
}

// answered brings an answer to who waits for it. One that comes too late, or for
// which there is no room, is dropped.
func (c *calls) answered(s signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := Answer{Node: s.From, Data: s.Data}
	if s.Failed != "" {
		a.Err = errors.New(s.Failed)
	}
	select {
	case c.waiting[s.Call] <- a:
	default:
	}
}

// HandleSignal implements [Handler].
func (h *Hub) HandleSignal(data []byte) {
	var s signal
	if err := json.Unmarshal(data, &s); err != nil {
		h.logger.Warn("dropped what is no signal of ours", "err", err)
		return
	}
	if s.Name == "" {
		h.calls.answered(s)
		return
	}
	select {
	case h.calls.busy <- struct{}{}:
		h.background(func() { defer func() { <-h.calls.busy }(); h.answer(s) })
	default:
		h.logger.Warn("a call of another node was not answered: too many at once", "node", s.From, "call", s.Name)
	}
}

// background runs f on a goroutine that Run waits for. Once the hub has stopped
// it does nothing.
func (h *Hub) background(f func()) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if !h.stopped {
		h.drains.Go(f)
	}
}

// answer answers a call of another node, or of this one.
func (h *Hub) answer(s signal) {
	ctx, cancel := context.WithTimeout(context.Background(), callWait)
	defer cancel()
	reply := signal{From: h.node, Call: s.Call}
	if f := h.calls.handlers[s.Name]; f == nil {
		reply.Failed = fmt.Sprintf("node %s does not know the call %q", h.node, s.Name)
	} else if data, err := f(ctx, s.Data); err != nil {
		reply.Failed = err.Error()
	} else {
		reply.Data = data
	}
	if _, err := h.signal(ctx, s.From, reply); err != nil {
		h.logger.Debug("a node did not get its answer", "node", s.From, "err", err)
	}
}
