package session

import (
	"container/list"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"belfry/hub"
	"belfry/web/access"
)

// Session is one client: a transport joined to a protocol, and a subscriber of
// the hub. Its methods are safe for several goroutines unless they say otherwise.
type Session struct {
	registry  *Registry
	place     Place
	transport Transport
	protocol  Protocol
	id        string
	standing  atomic.Pointer[standing]
	slot      int // on the wheel
	// deliver takes the place of Deliver; nil for most.
	deliver func(*hub.Subscription, hub.Delivery) error
	held    hub.Held // what comes before subscriptions are started

	unseen atomic.Int64  // bytes that were sent since it was looked what waits; see unread.go
	debt   *list.Element // in what is unread, and guarded by its lock; nil: none

	pace    pace
	begun   bool
	mu      sync.Mutex // guards what follows
	closing bool
	gone    bool   // the transport has closed: no subscription may be added
	counted string // the user among whose connections it is; empty: nobody's
	// A list, because most sessions have one subscription or few, and a map
	// would be a good part of what an idle session costs.
	subscriptions []subscription
}

func newSession(r *Registry, at Place, t Transport, speak Speak) *Session {
	s := &Session{registry: r, place: at, transport: t, id: rand.Text()}
	s.held.Most = r.limits.Held()
	s.protocol = speak(s)
	return s
}

// callWait bounds what one message of a client may wait for the hub.
const callWait = 2 * time.Second

// CallContext bounds one call of a session into the hub: two seconds.
func CallContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callWait)
}

// Prepare finds out who the client is, and lets the protocol prepare, before the
// client hears that it is connected. An error refuses the client.
func (s *Session) Prepare(h access.Hello) error {
	ctx, cancel := CallContext()
	defer cancel()
	if err := introduce(ctx, s, h); err != nil {
		return err
	}
	return s.protocol.Prepare(ctx, h)
}

// Begin registers the session: from now on it is pinged, and may be closed. It
// returns false, and nothing has happened, when the node is going down.
func (s *Session) Begin() bool {
	s.begun = true
	s.registry.pings.Spread(s, &s.slot)
	if s.registry.begin(s) {
		now := s.standing.Load()
		s.registry.reconsider(now)
		now.watch()
		return true
	}
	s.registry.pings.Remove(s, &s.slot)
	s.begun = false
	return false
}

// Opened tells the protocol that the client can be written to. It is called once,
// on the goroutine that reads from the transport.
func (s *Session) Opened() { s.protocol.Opened() }

// End ends a session whose transport has closed, or that did not come so far as to
// begin. It is called once.
func (s *Session) End() {
	if s.begun {
		s.registry.pings.Remove(s, &s.slot)
	}
	settle(s)
	s.unsubscribeAll()
	discount(s)
	s.registry.unread.settled(s)
	if s.begun {
		s.protocol.Gone()
		s.registry.end(s)
	}
	s.place.Release()
}

// Kind says what a message of a client is.
type Kind uint8

const (
	Text Kind = iota
	Binary
)

// Receive hands what a client says to the protocol, unless it is over the limit,
// or text that is not UTF-8 (RFC 6455, section 8.1): then it closes the session.
// It is called by the goroutine that reads from the transport, and is the one door
// for messages of clients. One of a client that runs ahead of others waits for its
// turn.
func (s *Session) Receive(k Kind, data []byte) {
	s.pace.wait(s)
	switch {
	case !s.IsOpen(): // it was told to go
	case int64(len(data)) > s.registry.limits.Message:
		s.CloseWith(CodeTooBig, "", false)
	case k == Binary:
		s.protocol.Binary(data)
	case !utf8.Valid(data):
		s.Close(InvalidUTF8)
	default:
		s.protocol.Text(data)
	}
}

// ID implements [hub.Subscriber].
func (s *Session) ID() string { return s.id }

// Logger is where the protocol logs.
func (s *Session) Logger() *slog.Logger { return s.registry.logger }

// Framing says how a message is wrapped on the way to the client.
func (s *Session) Framing() Framing { return s.transport.Framing() }

// Limits are those of the client.
func (s *Session) Limits() Limits { return s.registry.limits }

// IsDraining reports whether the node is going down.
func (s *Session) IsDraining() bool { return s.registry.draining.Err() != nil }

// DeliverBy makes a function take the place of [Session.Deliver], for a protocol
// whose frames are not the same for all. It is called before the session begins.
func (s *Session) DeliverBy(f func(*hub.Subscription, hub.Delivery) error) { s.deliver = f }

// Deliver implements [hub.Subscriber]. There are no frames when the protocol has
// no word for the messages.
func (s *Session) Deliver(sub *hub.Subscription, d hub.Delivery) error {
	switch {
	case s.deliver != nil:
		return s.deliver(sub, d)
	case len(d.Frames) == 0:
		return nil
	}
	return s.transport.Send(d.Frames)
}

// Transmit sends frames of the session alone from the function of [Session.DeliverBy],
// whose error it returns to the hub.
func (s *Session) Transmit(frames []byte) error {
	err := s.transport.Send(frames)
	if err == nil {
		s.registry.unread.sent(s, len(frames))
	}
	return err
}

// Send writes frames that answer the client, and evicts one that does not take
// them.
func (s *Session) Send(frames []byte) {
	if err := s.Transmit(frames); err != nil {
		s.Evict(err)
	}
}

// IsOpen reports whether nobody has closed the session. What takes long asks now and
// then, and stops.
func (s *Session) IsOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closing
}

// Waiting returns how many bytes of its allowance wait for the client.
func (s *Session) Waiting() int { return s.transport.Waiting() }

// Lose implements [hub.Loser].
func (s *Session) Lose(sub *hub.Subscription) { s.protocol.Lost(sub) }

// Evict implements [hub.Subscriber]. A client that is gone is not evicted for
// being slow.
func (s *Session) Evict(why error) {
	if errors.Is(why, net.ErrClosed) {
		s.Close(Vanished)
		return
	}
	s.Close(Slow)
}

// Close tells the client why, once, and ends the transport. It does not wait.
func (s *Session) Close(why Reason) {
	code, reason := s.protocol.CloseCode(why)
	if !s.CloseWith(code, reason, why == Slow) {
		return
	}
	switch why {
	case Slow:
		s.registry.evicted.Add(1)
		logEnd(s, slog.LevelInfo, "evicted: the client is too slow")
	case Vanished:
		s.registry.vanished.Add(1)
		logEnd(s, slog.LevelDebug, "gone")
	}
}

func logEnd(s *Session, level slog.Level, what string) {
	s.registry.logger.Log(context.Background(), level, what, "session", s.id, "remote", s.transport.Remote(),
		"transport", s.transport.Name(), "protocol", s.protocol.Name())
}

// CloseWith ends the transport with a code that the client is told, unless that
// was done before, which it reports. With drop, what waits is left out.
func (s *Session) CloseWith(code int, reason string, drop bool) (first bool) {
	first = s.BeginClosing()
	if first {
		s.transport.Shut(code, reason, drop)
	}
	return first
}

// BeginClosing reports whether it is the first to close the session. A transport
// calls it whose client closes, or has been told why already.
func (s *Session) BeginClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.closing
	s.closing = true
	return first
}

// OnOwnStack runs f on a goroutine of its own and waits for it. What a message
// sets off goes deep, and the stack of the goroutine that reads would grow for it
// and stay large while it waits for the next: 4 KiB for each session.
func OnOwnStack(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
