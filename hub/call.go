package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// callWait bounds how long a node may take to answer a call.
	callWait = time.Second
	// callsAtOnce is how many calls a node answers at the same time, and
	// callsHeld how many it has taken and not answered yet. More are not
	// answered.
	callsAtOnce = 256
	callsHeld   = 1024
	// maxSignal is the largest signal in bytes. Data takes a third more in it.
	maxSignal = 1 << 20
)

// ErrNoAnswer is wrapped by the errors of calls that not every node has
// answered in time, or that go to a node which does not exist.
var ErrNoAnswer = errors.New("no answer from a node")

// ErrNoNode is wrapped by the errors of calls to a node that does not exist. It
// wraps ErrNoAnswer.
var ErrNoNode = fmt.Errorf("%w: there is no such node", ErrNoAnswer)

// CallHandler answers a call of a node. It runs on a goroutine of its own, and
// its context ends when nobody waits for the answer any more, a second after the
// call came or as [Hub.CallWaiting] says; the hub does not stop before it has
// returned. Calls of one node may be handled at once and in any order. The data is
// the handler's to keep.
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
	Call   uint64 `json:"call"`           // number of the call at the node that made it, from 1
	Name   string `json:"name,omitempty"` // empty in answers
	Data   []byte `json:"data,omitempty"`
	Wait   int64  `json:"wait,omitempty"` // of a call that may wait: how long, in milliseconds
	Failed string `json:"failed,omitempty"`
}

// parseSignal reads a signal and checks that it is one.
func parseSignal(data []byte) (s signal, err error) {
	if len(data) > maxSignal {
		return s, fmt.Errorf("signal: %d bytes, at most %d travel between nodes", len(data), maxSignal)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("signal: %w", err)
	}
	if s.From == "" || s.Call == 0 {
		return s, errors.New("signal: the node and the number of a call are expected")
	}
	return s, nil
}

// calls are the calls under way, and who answers those of others.
type calls struct {
	handlers map[string]CallHandler // not changed once the hub runs
	held     chan struct{}          // a token for each call that was taken
	busy     chan struct{}          // a token for each that is being answered
	waits    chan struct{}          // a token for each that waits; see CallWaiting
	// life ends when the hub stops, and with it what calls wait for. It is kept
	// here because nobody hands it to HandleSignal.
	life context.Context
	end  context.CancelFunc

	mu      sync.Mutex // guards what follows, and the answers of each
	last    uint64
	waiting map[uint64]*waitingCall
}

// waitingCall is a call of this node that waits for answers.
type waitingCall struct {
	answers []Answer
	more    chan struct{} // holds a token when answers came
}

func newCalls() calls {
	life, end := context.WithCancel(context.Background())
	return calls{
		life: life, end: end,
		handlers: make(map[string]CallHandler),
		held:     make(chan struct{}, callsHeld),
		busy:     make(chan struct{}, callsAtOnce),
		waits:    make(chan struct{}, waitsAtOnce),
		waiting:  make(map[uint64]*waitingCall),
	}
}

// HandleCall names who answers calls of a name, which is not empty, on this node.
// It is called before Run, and not twice for one name.
func (h *Hub) HandleCall(name string, f CallHandler) { h.calls.handlers[name] = f }

// Node is the ID of this node. It is new for each hub.
func (h *Hub) Node() string { return h.node }

// CallAll asks every node, this one included, and returns the answers that came
// within a second, in no order. Errors wrap [ErrUnavailable] when nobody was
// asked, and [ErrNoAnswer] when somebody has not answered; the other answers are
// there. Data and answers have at most 768 KiB.
func (h *Hub) CallAll(ctx context.Context, name string, data []byte) ([]Answer, error) {
	return h.call(ctx, "", signal{Name: name, Data: data})
}

// Call asks one node. Errors are those of CallAll, or what the node answered.
func (h *Hub) Call(ctx context.Context, node, name string, data []byte) ([]byte, error) {
	return h.callOne(ctx, node, signal{Name: name, Data: data})
}

func (h *Hub) callOne(ctx context.Context, node string, s signal) ([]byte, error) {
	if node == "" {
		return nil, fmt.Errorf("%w: a node without an ID", ErrNoNode)
	}
	answers, err := h.call(ctx, node, s)
	if err != nil {
		return nil, err
	}
	return answers[0].Data, answers[0].Err
}

func (h *Hub) call(ctx context.Context, node string, s signal) ([]Answer, error) {
	if s.Name == "" {
		return nil, errors.New("a call needs a name")
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	number, c := h.calls.begin()
	defer h.calls.finish(number)
	s.From, s.Call = h.node, number
	reached, err := h.signal(ctx, node, s)
	if err != nil {
		return nil, err
	}
	if node != "" {
		reached = 1 // Redis counts a broken connection of the node, too, until it notices
	}
	for {
		answers := h.calls.answersOf(c)
		if len(answers) >= reached {
			return answers, nil
		}
		select {
		case <-c.more:
		case <-ctx.Done():
			return answers, fmt.Errorf("%w: %q was answered by %d of %d: %w", ErrNoAnswer, s.Name, len(answers), reached, ctx.Err())
		}
	}
}

// signal sends a call or an answer. It reaches at least one node.
func (h *Hub) signal(ctx context.Context, node string, s signal) (reached int, err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	if len(text) > maxSignal {
		return 0, fmt.Errorf("signal %q: %d bytes, at most %d travel between nodes", s.Name, len(text), maxSignal)
	}
	reached, err = h.signals.Signal(ctx, node, text)
	switch {
	case err != nil || reached > 0:
		return reached, err
	case node == "":
		return 0, fmt.Errorf("%w: no node, not even this one, hears signals", ErrUnavailable)
	}
	return 0, fmt.Errorf("%w: %q", ErrNoNode, node)
}

func (c *calls) begin() (uint64, *waitingCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	w := &waitingCall{more: make(chan struct{}, 1)}
	c.waiting[c.last] = w
	return c.last, w
}

func (c *calls) finish(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, number)
}

func (c *calls) answersOf(w *waitingCall) []Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(w.answers)
}

// answered brings an answer to who waits for it. One that comes too late, or from
// a node that has answered, is dropped.
func (c *calls) answered(s signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.waiting[s.Call]
	if w == nil || slices.ContainsFunc(w.answers, func(a Answer) bool { return a.Node == s.From }) {
		return
	}
	a := Answer{Node: s.From, Data: s.Data}
	if s.Failed != "" {
		a.Err = errors.New(s.Failed)
	}
	w.answers = append(w.answers, a)
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// HandleSignal implements [Handler].
func (h *Hub) HandleSignal(data []byte) {
	s, err := parseSignal(data)
	switch {
	case err != nil:
		h.logger.Warn("dropped what is no signal of ours", "err", err)
	case s.Name == "":
		h.calls.answered(s)
	case s.Wait > 0:
		h.takeWaiting(s)
	default:
		h.take(s)
	}
}

// take has a call answered, if there is room.
func (h *Hub) take(s signal) {
	select {
	case h.calls.held <- struct{}{}:
		h.background(func() {
			defer func() { <-h.calls.held }()
			h.answerInTurn(s)
		})
	default:
		h.logger.Warn("a call was not answered: too many at once", "node", s.From, "call", s.Name, "most", callsHeld)
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

// answerInTurn answers a call when there are not too many others, or never when
// nobody waits for the answer any more.
func (h *Hub) answerInTurn(s signal) {
	ctx, cancel := context.WithTimeout(context.Background(), callWait)
	defer cancel()
	select {
	case h.calls.busy <- struct{}{}:
		defer func() { <-h.calls.busy }()
		h.answer(ctx, s)
	case <-ctx.Done():
		h.logger.Warn("a call was not answered: others took too long", "node", s.From, "call", s.Name)
	}
}

// answer answers a call of another node, or of this one, unless the caller has
// waited long enough. An answer that is too large to travel is a failure, of which
// the caller hears.
func (h *Hub) answer(ctx context.Context, s signal) {
	reply := signal{From: h.node, Call: s.Call}
	data, err := h.handle(ctx, s)
	switch {
	case err != nil && ctx.Err() == context.DeadlineExceeded:
		return
	case err != nil:
		reply.Failed = failure(err)
	default:
		reply.Data = data
	}
	_, err = h.signal(ctx, s.From, reply)
	if err != nil && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrNoAnswer) {
		_, err = h.signal(ctx, s.From, signal{From: h.node, Call: s.Call, Failed: failure(err)})
	}
	if err != nil {
		h.logger.Debug("a node did not get its answer", "node", s.From, "err", err)
	}
}

func (h *Hub) handle(ctx context.Context, s signal) ([]byte, error) {
	f := h.calls.handlers[s.Name]
	if f == nil {
		return nil, fmt.Errorf("node %s does not know the call %q", h.node, s.Name)
	}
	return f(ctx, s.Data)
}

// failure is the text of an error, which is never empty and at most 1,000 bytes.
func failure(err error) string {
	text := err.Error()
	if text == "" {
		return "the call failed"
	}
	return text[:min(len(text), 1000)]
}
