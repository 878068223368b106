package client

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// upstreams is how many connections carry what sessions over HTTP say. They
	// share them, which saves descriptors; to the server each is one request.
	upstreams = 4
	// ackBytes and ackEvery are after how much, and how often when there is
	// something new, a client acknowledges what came on a stream. They are those of
	// Belfry's websocket.js, so that the server keeps as much as for browsers.
	ackBytes = 64 << 10
	ackEvery = 15 * time.Second
	// ackStep is how often sessions are looked for whose time has come.
	ackStep = 50 * time.Millisecond
	// goodbye is all that is said in the end.
	goodbye = `["close",1000,""]` + "\n"
)

// Acknowledger says for all sessions over HTTP of one server what they have got. A
// long-poll says so by itself, with its next request, and needs it for its goodbye
// alone.
type Acknowledger struct {
	due  chan *Session  // room for each
	idle chan *upstream // connections that nobody uses

	mu  sync.Mutex // guards what follows
	err error      // the first; nothing is said after it
}

// NewAcknowledger is for so many sessions, and opens no connection before there is
// something to say.
func NewAcknowledger(d *Dialer, sessions int) *Acknowledger {
	a := &Acknowledger{due: make(chan *Session, sessions), idle: make(chan *upstream, upstreams)}
	for range upstreams {
		a.idle <- &upstream{dialer: d}
	}
	return a
}

// Close closes the connections. It is called once, when nothing is said any more.
func (a *Acknowledger) Close() {
	for range upstreams {
		(<-a.idle).close()
	}
}

// Start acknowledges for sessions from goroutines of its own, which stop ends and
// waits for; stop returns the first error, and may be called again. Each session
// has its turn in ackEvery, one after another: so the smallest part of that time
// costs as much as any other.
func (a *Acknowledger) Start(ctx context.Context, sessions []*Session) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { a.goRound(ctx, sessions) })
	for range upstreams {
		all.Go(func() { a.work(ctx) })
	}
	return func() error {
		cancel()
		all.Wait()
		return a.fault()
	}
}

// goRound gives the sessions their turns until the context ends.
func (a *Acknowledger) goRound(ctx context.Context, sessions []*Session) {
	step := time.NewTicker(ackStep)
	defer step.Stop()
	for began, turn := time.Now(), 0; ; {
		select {
		case <-step.C:
		case <-ctx.Done():
			return
		}
		for ; turn < int(time.Since(began)*time.Duration(len(sessions))/ackEvery); turn++ {
			a.queue(sessions[turn%len(sessions)])
		}
	}
}

// queue has a session acknowledged soon. It does not block.
func (a *Acknowledger) queue(s *Session) {
	if !s.owing.Swap(true) {
		a.due <- s // there is room for each once
	}
}

// owe counts what has come, and has it acknowledged when it is much.
func (s *Session) owe(size int) {
	s.owed += size
	if s.owed >= ackBytes && s.transport != Poll {
		s.owed = 0
		s.acknowledger.queue(s)
	}
}

// work acknowledges what is due until the context ends. What is due then is left
// to the goodbyes.
func (a *Acknowledger) work(ctx context.Context) {
	for {
		select {
		case s := <-a.due:
			s.owing.Store(false)
			if n := s.got.Load(); n != s.acked.Swap(n) {
				a.say(s, n, "")
			}
		case <-ctx.Done():
			return
		}
	}
}

// say sends lines of a session that has got n. After an error it says nothing.
func (a *Acknowledger) say(s *Session, n uint64, lines string) {
	u := <-a.idle
	defer func() { a.idle <- u }()
	if a.fault() != nil {
		return
	}
	if err := u.post(s, n, lines); err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.err = fmt.Errorf("acknowledging: %w", err)
	}
}

// fault is the first error; nil as long as there was none.
func (a *Acknowledger) fault() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}
