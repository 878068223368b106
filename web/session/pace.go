package session

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/time/rate"

	"belfry/web/fault"
)

var errTooFast = fault.New(fault.TooMany, "too many messages at once: limits.publish_rate (BELFRY_LIMITS_PUBLISH_RATE)")

const (
	// commandRate is how many commands a second a session may go on with, and
	// commandBurst how many it may begin with, at least: a client that comes back has
	// one or two for each of its channels.
	commandRate  = 100
	commandBurst = 512
	// commandsInTurn is how many commands of a session are carried out in a row while
	// others have some. Otherwise a frame of 64 KiB has a processor for tens of
	// milliseconds.
	commandsInTurn = 16
	// maxRate of messages is never reached.
	maxRate = 1 << 30
	// waitStep is how soon a session that waits for its turn sees that it is closing.
	waitStep = 100 * time.Millisecond
)

// pace keeps one session from running far ahead of others. What a client says in one
// message beyond its burst is refused, where it is a message to publish, and owed,
// where it is another command; and a session that owes is not read. So a client that
// waits for answers is only slowed down, and a flood stays with the client. It is for
// the goroutine that reads from the transport.
type pace struct {
	publishes, commands *rate.Limiter // nil: none yet
	row                 int           // commands since others had their turn
}

// publish reports whether the session may publish a message now.
func (p *pace) publish(l Limits) bool {
	if p.publishes == nil {
		p.publishes = rate.NewLimiter(rate.Limit(l.PublishRate), 2*l.PublishRate)
	}
	return p.publishes.Allow()
}

// turn counts a command, and lets others have theirs now and then.
func (p *pace) turn(l Limits) {
	if p.commands == nil {
		p.commands = rate.NewLimiter(commandRate, max(commandBurst, 4*l.Subscriptions))
	}
	p.commands.Reserve()
	if p.row++; p.row >= commandsInTurn {
		p.row = 0
		runtime.Gosched()
	}
}

// wait returns when the session owes nothing, or is closing.
func (p *pace) wait(s *Session) {
	for {
		d := max(owed(p.publishes, 1), owed(p.commands, 0))
		if d <= 0 || p.isOver(s) {
			return
		}
		time.Sleep(min(d, waitStep))
	}
}

// turns bounds how many do something at a time.
type turns chan struct{}

// newTurns has so many turns for each processor, and one at least.
func newTurns(each float64) turns {
	return make(turns, max(1, int(each*float64(runtime.GOMAXPROCS(0)))))
}

const (
	// makers is how many make a large answer at a time, for each processor. Each keeps one
	// for a millisecond, and with one for each of a hundred clients to be made at once,
	// whoever delivers a message would wait for all of them between two turns of its own.
	// So it waits for those of one half of the processors, and has the other.
	makers = 0.5
	// readers is how many read what a large answer is made of, or have it and wait to make
	// that: up to a megabyte each.
	readers = 2
)

// InTurn runs a function that makes a large answer of what was read already, when
// others have made theirs. It must not wait for anything.
func (r *Registry) InTurn(f func()) {
	r.makers <- struct{}{}
	defer func() { <-r.makers }()
	f()
}

var errBusy = fault.New(fault.TooMany, "too many histories and presences are asked for at the same time; nothing was done, try again later")

// ReadInTurn waits until what a large answer is made of may be read, and done is to be
// called when it is made. When the context ends first it is an error.
func (r *Registry) ReadInTurn(ctx context.Context) (done func(), err error) {
	select {
	case r.readers <- struct{}{}:
		return func() { <-r.readers }, nil
	case <-ctx.Done():
		return nil, errBusy
	}
}

// isOver reports whether there is nothing more to read for.
func (*pace) isOver(s *Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// owed is how long it takes until there are so many tokens.
func owed(l *rate.Limiter, tokens float64) time.Duration {
	if l == nil || l.Limit() == 0 {
		return 0
	}
	missing := tokens - l.Tokens()
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing/float64(l.Limit())*float64(time.Second)) + time.Microsecond
}
