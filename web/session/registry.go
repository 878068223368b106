package session

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
)

// PingSeconds is how often a session is pinged. One that has not answered by the
// next ping is closed, or by the one after it.
const PingSeconds = 25

// ErrDraining refuses clients because the node is going down.
var ErrDraining = fault.New(fault.NotServing, "the server is going down")

// Limits bound what one client may send and keep, and how many there are. Only the
// last six may be zero.
type Limits struct {
	Message       int64 // bytes of one message of a client
	Buffer        int   // bytes that a client may be behind before it is evicted
	Subscriptions int   // channels of a session
	Published     int   // bytes of the largest message that may be published; zero: Buffer
	Connections   int   // clients at a time; zero: no bound
	PerAddress    int   // of them, those of one address; zero: no bound; see [Registry.Admit]
	PublishRate   int   // messages a second of one session, which begins with twice as many; zero: no bound
	// UserConnections is how many sessions a user may have on all nodes; zero: no bound.
	UserConnections int
	Unread          int // bytes of answers that wait for all clients together; zero: no bound
}

// orNone makes no bound one that is never reached.
func (l Limits) orNone() Limits {
	l.Connections, l.PerAddress = cmp.Or(l.Connections, math.MaxInt), cmp.Or(l.PerAddress, math.MaxInt)
	l.PublishRate, l.Unread = cmp.Or(l.PublishRate, maxRate), cmp.Or(l.Unread, math.MaxInt)
	return l
}

// Answer is how many bytes one answer to a client has, about: of a history, of what
// was missed, or of a presence. One message may always be in it. Where JSON stands
// within JSON it becomes up to twice as large.
func (l Limits) Answer() int { return l.Buffer / 4 }

// Behind is how many bytes may wait for a client that asks for more: half of its
// allowance. An answer fits into the rest, in whatever framing.
func (l Limits) Behind() int { return l.Buffer / 2 }

// Held is how many bytes may come for a client before its subscriptions are started:
// a frame may be twice as large as the message in it.
func (l Limits) Held() int { return 2 * l.Buffer }

// Alone is the largest frame that is sent to a client for whom nothing waits, in
// bytes: that of a message as large as its allowance.
func (l Limits) Alone() int { return max(l.Buffer, l.Published) + 64<<10 }

// Options are the parts that a Registry works with.
type Options struct {
	Hub    *hub.Hub
	Guard  access.Guard
	Logger *slog.Logger
	Limits Limits
	// Revoked says why an identity counts no more. Nil: all do.
	Revoked func(*access.Identity) error
}

// Registry has the sessions of a node. Its methods are safe for several
// goroutines.
type Registry struct {
	hub    *hub.Hub
	guard  telling
	logger *slog.Logger
	limits Limits

	revoked func(*access.Identity) error

	// pings spreads the sessions over the seconds. With melody's own pings every
	// session has a timer and a goroutine whose stack grows for them, which
	// together cost 2.3 KiB.
	pings *Wheel[*Session]

	// Sessions that were closed because their client could not keep up, and
	// because writing to it has shown that it is gone.
	evicted, vanished atomic.Int64

	unread          unread // what waits for clients that do not read
	makers, readers turns  // of large answers

	// draining ends when the node goes down.
	draining context.Context
	drain    context.CancelFunc

	mu       sync.Mutex // guards what follows
	sessions map[string]*Session
	users    roster
	clients  Tally         // that were let in and have not gone
	work     int           // sessions and goroutines that a shutdown waits for
	idle     chan struct{} // closed when the node goes down and there is no work
}

// NewRegistry makes a registry. Advance has to be called once a second for its
// sessions to be pinged.
func NewRegistry(o Options) *Registry {
	r := &Registry{
		hub:      o.Hub,
		guard:    telling{o.Guard, o.Logger},
		logger:   o.Logger,
		limits:   o.Limits.orNone(),
		revoked:  o.Revoked,
		pings:    NewWheel[*Session](PingSeconds),
		sessions: make(map[string]*Session),
		makers:   newTurns(makers),
		readers:  newTurns(readers),
		users:    make(roster),
		idle:     make(chan struct{}),
	}
	if r.revoked == nil {
		r.revoked = func(*access.Identity) error { return nil }
	}
	r.unread.most = r.limits.Unread
	r.draining, r.drain = context.WithCancel(context.Background())
	return r
}

// Logger is where transports and protocols log.
func (r *Registry) Logger() *slog.Logger { return r.logger }

// Limits are those of each client.
func (r *Registry) Limits() Limits { return r.limits }

// Advance pings the sessions whose turn it is, and looks how long they may stay.
func (r *Registry) Advance() {
	for _, s := range r.pings.Advance() {
		s.transport.Ping()
		s.protocol.Ping()
		s.standing.Load().watch()
	}
}

// Identify says who somebody is that arrives, or why it may not come in.
func (r *Registry) Identify(ctx context.Context, h access.Hello) (*access.Identity, error) {
	return r.guard.Connect(ctx, h)
}

// Open admits a client and makes its session.
func (r *Registry) Open(h access.Hello, t Transport, speak Speak) (*Session, error) {
	place, err := r.Admit(h)
	if err != nil {
		return nil, err
	}
	return newSession(r, place, t, speak), nil
}

// begin registers a session, unless the node goes down.
func (r *Registry) begin(s *Session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining.Err() != nil {
		return false
	}
	r.sessions[s.id] = s
	r.users.list(s.standing.Load())
	r.work++
	return true
}

// end takes a session out.
func (r *Registry) end(s *Session) {
	r.mu.Lock()
	delete(r.sessions, s.id)
	r.users.unlist(s.standing.Load())
	r.mu.Unlock()
	r.done()
}

// Go runs a function on a goroutine that Shutdown waits for. It returns false, and
// does not run it, when there is nobody left who would wait.
func (r *Registry) Go(f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining.Err() != nil && r.work == 0 {
		return false
	}
	r.work++
	go func() { defer r.done(); f() }()
	return true
}

func (r *Registry) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.work--; r.work == 0 && r.draining.Err() != nil {
		close(r.idle)
	}
}

// Draining is done when the node goes down.
func (r *Registry) Draining() context.Context { return r.draining }

// Shutdown refuses clients from now on and asks every session to go and come back.
// It returns nil when all have gone; when the context ends first, it closes the
// rest at once and returns the context's error. A second call does the same with
// what is left.
func (r *Registry) Shutdown(ctx context.Context) error {
	sessions := r.beginDraining()
	r.logger.Info("closing sessions", "count", len(sessions))
	for _, s := range sessions {
		s.Close(Shutdown)
	}
	select {
	case <-r.idle:
		return nil
	case <-ctx.Done():
		for _, s := range sessions {
			s.transport.Abort()
		}
		<-r.idle
		return ctx.Err()
	}
}

// beginDraining refuses sessions from now on and returns those that are open.
func (r *Registry) beginDraining() []*Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining.Err() == nil && r.work == 0 {
		close(r.idle)
	}
	r.drain()
	return slices.Collect(maps.Values(r.sessions))
}

// Len returns how many sessions are open.
func (r *Registry) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions)
}

// NumEvicted returns how many sessions were closed because they could not keep up.
func (r *Registry) NumEvicted() int64 { return r.evicted.Load() }

// NumVanished returns how many sessions were closed because writing to their
// client has shown that it is gone: its connection was reset. Those that say
// goodbye, or are missed by a ping, are not among them.
func (r *Registry) NumVanished() int64 { return r.vanished.Load() }
