package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// callWait is how long a node may take to answer a call unless the options of
	// the hub say something else.
	callWait = time.Second
	// callsAtOnce is how many calls a node answers at the same time, and
	// callsHeld how many it has taken and not answered yet. More are not
	// answered.
	callsAtOnce = 256
	callsHeld   = 1024
	// maxWait is how long a call may wait at most.
	maxWait = 30 * time.Second
	// waitsAtOnce is how many calls may wait at a node at the same time. More are
	// not answered. Each costs a goroutine.
	waitsAtOnce = 32 << 10
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

// calls are the calls under way of one node, and who answers those of others.
type calls struct {
	node     string
	signals  Signaler
	logger   *slog.Logger
	patience time.Duration          // how long a node may take to answer; see Options
	handlers map[string]CallHandler // not changed once the hub runs
	held     chan struct{}          // a token for each call that was taken
	busy     chan struct{}          // a token for each that is being answered
	waits    chan struct{}          // a token for each that waits; see CallWaiting
	// life ends when the hub stops, and with it what calls wait for. It is kept
	// here because nobody hands it to HandleSignal.
	life context.Context
	end  context.CancelFunc

	answering sync.WaitGroup

	mu      sync.Mutex // guards what follows, and the answers of each
	stopped bool       // nothing is added to answering any more
	last    uint64
	waiting map[uint64]*waitingCall
}

// waitingCall is a call of this node that waits for answers.
type waitingCall struct {
	answers []Answer
	more    chan struct{} // holds a token when answers came
}

func newCalls(node string, s Signaler, logger *slog.Logger, patience time.Duration) *calls {
	life, end := context.WithCancel(context.Background())
	return &calls{
		node: node, signals: s, logger: logger, patience: patience,
		life: life, end: end,
		handlers: make(map[string]CallHandler),
		held:     make(chan struct{}, callsHeld),
		busy:     make(chan struct{}, callsAtOnce),
		waits:    make(chan struct{}, waitsAtOnce),
		waiting:  make(map[uint64]*waitingCall),
	}
}

func (c *calls) callOne(ctx context.Context, node string, s signal) ([]byte, error) {
	if node == "" {
		return nil, fmt.Errorf("%w: a node without an ID", ErrNoNode)
	}
	answers, err := c.call(ctx, node, s)
	if err != nil {
		return nil, err
	}
	return answers[0].Data, answers[0].Err
}

func (c *calls) call(ctx context.Context, node string, s signal) ([]Answer, error) {
	if s.Name == "" {
		return nil, errors.New("a call needs a name")
	}
	ctx, cancel := context.WithTimeout(ctx, c.deadline(s))
	defer cancel()
	number, w := c.begin()
	defer c.finish(number)
	s.From, s.Call = c.node, number
	reached, err := c.send(ctx, node, s)
	if err != nil {
		if deadline, _ := ctx.Deadline(); !time.Now().Before(deadline) {
			err = fmt.Errorf("%w: %w", err, context.DeadlineExceeded) // whatever the broker calls it
		}
		return nil, err
	}
	if node != "" {
		reached = 1 // Redis counts a broken connection of the node, too, until it notices
	}
	for {
		answers := c.answersOf(w)
		if len(answers) >= reached {
			return answers, nil
		}
		select {
		case <-w.more:
		case <-ctx.Done():
			return answers, fmt.Errorf("%w: %q was answered by %d of %d: %w", ErrNoAnswer, s.Name, len(answers), reached, ctx.Err())
		}
	}
}

// send sends a call or an answer. It reaches at least one node.
func (c *calls) send(ctx context.Context, node string, s signal) (reached int, err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	if len(text) > maxSignal {
		return 0, fmt.Errorf("signal %q: %d bytes, at most %d travel between nodes", s.Name, len(text), maxSignal)
	}
	reached, err = c.signals.Signal(ctx, node, text)
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

// received takes what a node has sent.
func (c *calls) received(data []byte) {
	s, err := parseSignal(data)
	switch {
	case err != nil:
		c.logger.Warn("dropped what is no signal of ours", "err", err)
	case s.Name == "":
		c.answered(s)
	case s.Wait > 0:
		c.takeWaiting(s)
	default:
		c.take(s)
	}
}

// take has a call answered, if there is room.
func (c *calls) take(s signal) {
	select {
	case c.held <- struct{}{}:
		c.background(func() {
			defer func() { <-c.held }()
			c.answerInTurn(s)
		})
	default:
		c.logger.Warn("a call was not answered: too many at once", "node", s.From, "call", s.Name, "most", callsHeld)
	}
}

// takeWaiting has a call answered that may wait, if there is room.
func (c *calls) takeWaiting(s signal) {
	select {
	case c.waits <- struct{}{}:
		c.background(func() {
			defer func() { <-c.waits }()
			ctx, cancel := context.WithTimeout(c.life, c.deadline(s))
			defer cancel()
			c.answer(ctx, s)
		})
	default:
		c.logger.Warn("a call was not answered: too many wait", "node", s.From, "call", s.Name, "most", waitsAtOnce)
	}
}

// deadline is how long who made a call waits for its answer.
func (c *calls) deadline(s signal) time.Duration {
	if s.Wait <= 0 {
		return c.patience
	}
	return time.Duration(min(s.Wait, maxWait.Milliseconds())) * time.Millisecond
}

// background runs f on a goroutine that stop waits for. Once the calls have
// stopped it does nothing.
func (c *calls) background(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped {
		c.answering.Go(f)
	}
}

// stop refuses calls from now on, ends what calls wait for, and waits for the
// answers under way.
func (c *calls) stop() {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	c.end()
	c.answering.Wait()
}

// answerInTurn answers a call when there are not too many others, or never when
// nobody waits for the answer any more.
func (c *calls) answerInTurn(s signal) {
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	select {
	case c.busy <- struct{}{}:
		defer func() { <-c.busy }()
		c.answer(ctx, s)
	case <-ctx.Done():
		c.logger.Warn("a call was not answered: others took too long", "node", s.From, "call", s.Name)
	}
}

// answer answers a call of another node, or of this one, unless the caller has
// waited long enough. An answer that is too large to travel is a failure, of which
// the caller hears.
func (c *calls) answer(ctx context.Context, s signal) {
	reply := signal{From: c.node, Call: s.Call}
	data, err := c.handle(ctx, s)
	switch {
	case err != nil && ctx.Err() == context.DeadlineExceeded:
		return
	case err != nil:
		reply.Failed = failure(err)
	default:
		reply.Data = data
	}
	_, err = c.send(ctx, s.From, reply)
	if err != nil && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrNoAnswer) {
		_, err = c.send(ctx, s.From, signal{From: c.node, Call: s.Call, Failed: failure(err)})
	}
	if err != nil {
		c.logger.Debug("a node did not get its answer", "node", s.From, "err", err)
	}
}

func (c *calls) handle(ctx context.Context, s signal) ([]byte, error) {
	f := c.handlers[s.Name]
	if f == nil {
		return nil, fmt.Errorf("node %s does not know the call %q", c.node, s.Name)
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
