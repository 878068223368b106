package session_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/session"
)

// TestDrainingRefuses wants clients of a node that goes down to be refused before
// anything is made or subscribed for them.
func TestDrainingRefuses(t *testing.T) {
	n := newNode(t)
	if err := n.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var p protocol
	s, err := n.Open(access.Hello{}, &transport{}, func(s *session.Session) session.Protocol {
		t.Error("a protocol is made for a client that is refused")
		return &p
	})
	if s != nil || !errors.Is(err, session.ErrDraining) || fault.From(err).Kind != fault.NotServing {
		t.Errorf("got %v, %v; want that the node is going down", s, err)
	}
	if p.prepared != 0 || len(n.hub.Channels("*")) != 0 {
		t.Errorf("prepared %d times, and the hub has %v", p.prepared, n.hub.Channels("*"))
	}
	if _, err := n.Admit(access.Hello{}); !errors.Is(err, session.ErrDraining) {
		t.Errorf("a request that is no session: %v", err)
	}
}

// TestDrainingWhilePreparing has a node go down after a client was admitted.
func TestDrainingWhilePreparing(t *testing.T) {
	n := newNode(t)
	p := &protocol{channels: []string{"chat"}}
	s, err := n.Open(access.Hello{}, &transport{}, func(s *session.Session) session.Protocol { p.Session = s; return p })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(access.Hello{}); err != nil {
		t.Fatal(err)
	}
	if err := n.Shutdown(t.Context()); err != nil {
		t.Errorf("a client that has not begun keeps the node from going down: %v", err)
	}
	if s.Begin() {
		t.Error("a session begins on a node that has gone down")
	}
	s.End()
	if p.gone != 0 || n.Len() != 0 || len(n.hub.Channels("*")) != 0 {
		t.Errorf("gone %d times, %d sessions, and the hub has %v", p.gone, n.Len(), n.hub.Channels("*"))
	}
}

// TestRefusedByProtocol wants nothing to be left of a session that could not be
// prepared.
func TestRefusedByProtocol(t *testing.T) {
	n := newNode(t)
	p := &protocol{channels: []string{"chat:1", "nowhere"}}
	s, err := n.Open(access.Hello{}, &transport{}, func(s *session.Session) session.Protocol { p.Session = s; return p })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(access.Hello{}); err == nil || fault.From(err).Kind != fault.UnknownChannel {
		t.Errorf("got %v, want an unknown channel", err)
	}
	if n.hub.NumSubscribers("chat:1") != 1 {
		t.Error("the first channel is not subscribed to, and so the test shows nothing")
	}
	s.End()
	if p.opened != 0 || p.gone != 0 || n.Len() != 0 || n.hub.NumSubscribers("chat:1") != 0 {
		t.Errorf("opened %d times, gone %d times; %d sessions and %d subscribers are left", p.opened, p.gone, n.Len(), n.hub.NumSubscribers("chat:1"))
	}
	if found := n.Find(session.Target{Client: s.ID()}); len(found) != 0 {
		t.Errorf("found %v", found)
	}
	if err := n.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRefusedByGuard wants the protocol of a client that may not connect not to be
// asked.
func TestRefusedByGuard(t *testing.T) {
	no := fault.New(fault.Unauthorized, "no")
	r := session.NewRegistry(session.Options{Guard: closed{err: no}})
	var p protocol
	s, err := r.Open(access.Hello{}, &transport{}, func(*session.Session) session.Protocol { return &p })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(access.Hello{}); err != no || p.prepared != 0 {
		t.Errorf("got %v, and the protocol is prepared %d times", err, p.prepared)
	}
	s.End()
	if _, err := r.Identify(t.Context(), access.Hello{}); err != no {
		t.Errorf("a request that is no session: %v", err)
	}
}

// closed is a guard that lets nobody in.
type closed struct {
	access.Guard
	err error
}

func (g closed) Connect(context.Context, access.Hello) (*access.Identity, error) { return nil, g.err }

// limited is a guard to which everybody is a user until a time.
type limited struct {
	access.Guard
	until time.Time
}

func (g limited) Connect(context.Context, access.Hello) (*access.Identity, error) {
	return &access.Identity{User: "ada", Until: g.until}, nil
}

// TestExpiry ends sessions when their identities end, to the moment, though it is far
// off and nobody has set a clock for it.
func TestExpiry(t *testing.T) {
	for _, long := range []time.Duration{-time.Second, 1500 * time.Millisecond, 50 * time.Second, time.Minute, 2*time.Hour + time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t)
			n.Registry = session.NewRegistry(session.Options{
				Hub: n.hub, Guard: limited{access.Rules{For: n.hub.Rule}, time.Now().Add(long)}, Logger: slog.New(slog.DiscardHandler),
				Limits: session.Limits{Message: 8, Buffer: 1 << 10, Subscriptions: 2},
			})
			var all []client
			for range session.PingSeconds {
				all = append(all, n.open(t))
			}
			shut := func() (n int) {
				synctest.Wait()
				for _, c := range all {
					c.transport.mu.Lock()
					n += c.transport.shut
					c.transport.mu.Unlock()
				}
				return n
			}
			end := time.Now().Add(long)
			for time.Until(end) > time.Second {
				time.Sleep(time.Second)
				n.Advance()
			}
			time.Sleep(time.Until(end) - time.Nanosecond)
			if early := shut(); early > 0 && long > 0 {
				t.Errorf("after %v: %d sessions have ended before", long, early)
			}
			time.Sleep(time.Nanosecond)
			if ended := shut(); ended != len(all) {
				t.Errorf("after %v: %d of %d sessions have ended", long, ended, len(all))
			}
			for _, c := range all {
				c.End()
			}
		})
	}
}

// slowly is a protocol that takes its time before the client is connected.
type slowly struct{ *protocol }

func (p slowly) Prepare(context.Context, access.Hello) error { time.Sleep(time.Second); return nil }

// TestNothingEndsBeforeItHasBegun has identities end, and be taken back, while sessions are
// made: their transports hear of it when they can be closed, and not before.
func TestNothingEndsBeforeItHasBegun(t *testing.T) {
	for name, revoked := range map[string]error{"over": nil, "taken back": errors.New("taken back")} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t)
			n.Registry = session.NewRegistry(session.Options{
				Hub: n.hub, Guard: limited{access.Rules{For: n.hub.Rule}, time.Now().Add(time.Millisecond)}, Logger: slog.New(slog.DiscardHandler),
				Limits: session.Limits{Message: 8, Buffer: 1 << 10, Subscriptions: 2}, Revoked: func(*access.Identity) error { return revoked },
			})
			tr := &transport{}
			p := slowly{&protocol{}}
			s, err := n.Open(access.Hello{}, tr, func(s *session.Session) session.Protocol { p.Session = s; return p })
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Prepare(access.Hello{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if tr.shut > 0 {
				t.Errorf("%s: ended before it has begun", name)
			}
			if !s.Begin() {
				t.Fatal("the session does not begin")
			}
			synctest.Wait()
			if tr.shut != 1 {
				t.Errorf("%s: ended %d times once it has begun, want once", name, tr.shut)
			}
			s.End()
		})
	}
}

// byToken is a guard to which every subscription is made by a token.
type byToken struct{ access.Guard }

func (g byToken) Allow(ctx context.Context, r access.Request) (access.Permit, error) {
	p, err := g.Guard.Allow(ctx, r)
	p.Token = &access.Identity{User: "ada"}
	return p, err
}

// TestTokenTakenBackMeanwhile takes back the token for a subscription after the guard was
// asked about it and before the subscription is there, as it is made and renewed.
func TestTokenTakenBackMeanwhile(t *testing.T) {
	n := newNode(t)
	var takenBack error
	n.Registry = session.NewRegistry(session.Options{
		Hub: n.hub, Guard: byToken{access.Rules{For: n.hub.Rule}}, Logger: slog.New(slog.DiscardHandler),
		Limits: session.Limits{Message: 8, Buffer: 1 << 10, Subscriptions: 2}, Revoked: func(*access.Identity) error { return takenBack },
	})
	c := n.open(t, "chat")
	takenBack = errors.New("taken back")
	if _, err := session.RenewSubscription(t.Context(), c.Session, "chat", ""); !errors.Is(err, takenBack) {
		t.Errorf("renewed: %v", err)
	}
	if err := c.protocol.subscribe(t.Context(), "chat2"); !errors.Is(err, takenBack) {
		t.Errorf("subscribed: %v", err)
	}
	if all := n.hub.NumSubscribers("chat") + n.hub.NumSubscribers("chat2"); all != 0 {
		t.Errorf("%d subscriptions are left", all)
	}
	c.End()
}

// TestGo wants Shutdown to wait for goroutines, and none to begin afterwards.
func TestGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		start, ended := time.Now(), time.Duration(0)
		work := func() {
			time.Sleep(2 * time.Second)
			// While something runs there is somebody who waits.
			if !n.Go(func() { time.Sleep(time.Second); ended = time.Since(start) }) {
				t.Error("nothing may be begun while something runs")
			}
		}
		if !n.Go(work) {
			t.Fatal("nothing may be begun")
		}
		time.Sleep(time.Second)
		if err := n.Shutdown(t.Context()); err != nil || ended != 3*time.Second {
			t.Errorf("Shutdown returns %v after %v", err, ended)
		}
		if n.Go(func() { t.Error("it runs all the same") }) {
			t.Error("something is begun that nobody waits for")
		}
		synctest.Wait()
	})
}

// TestShutdown wants every client to be told, and the last that goes to be waited
// for. Once that is done a second call has nothing to do.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		a, b := n.open(t, "chat"), n.open(t, "chat")
		time.AfterFunc(time.Second, a.End)
		time.AfterFunc(2*time.Second, b.End)
		start := time.Now()
		if err := n.Shutdown(t.Context()); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("Shutdown returns %v after %v", err, time.Since(start))
		}
		for _, c := range []client{a, b} {
			if c.transport.code != 1001 || c.transport.shut != 1 || c.transport.drop || c.transport.aborted != 0 || c.protocol.gone != 1 {
				t.Errorf("a client was told %+v, and is gone %d times", c.transport, c.protocol.gone)
			}
		}
		if n.Len() != 0 || len(n.hub.Channels("*")) != 0 || n.Draining().Err() == nil {
			t.Errorf("%d sessions and %v are left", n.Len(), n.hub.Channels("*"))
		}
		if err := n.Shutdown(t.Context()); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("a second Shutdown returns %v after %v", err, time.Since(start))
		}
	})
}

// TestShutdownAborts cuts off those who do not go in time. A second call that comes
// meanwhile waits too.
func TestShutdownAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		c := n.open(t)
		c.transport.onAbort = func() { time.Sleep(time.Second); c.End() }
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		second := make(chan error, 1)
		go func() { second <- n.Shutdown(context.Background()) }()
		if err := n.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 4*time.Second {
			t.Errorf("Shutdown returns %v after %v", err, time.Since(start))
		}
		if err := <-second; err != nil {
			t.Errorf("the call that has time returns %v", err)
		}
		if c.transport.aborted != 1 || c.transport.shut != 1 {
			t.Errorf("aborted %d times, shut %d times", c.transport.aborted, c.transport.shut)
		}
	})
}

func TestFind(t *testing.T) {
	n := newNode(t)
	a, b := n.open(t), n.open(t)
	if a.ID() == b.ID() || n.Len() != 2 {
		t.Fatalf("%s and %s are two of %d", a.ID(), b.ID(), n.Len())
	}
	for name, c := range map[string]struct {
		target session.Target
		want   *session.Session
	}{
		"a client":             {session.Target{Client: b.ID()}, b.Session},
		"another client":       {session.Target{Client: "other"}, nil},
		"a user":               {session.Target{User: "ann"}, nil},
		"a client of a user":   {session.Target{User: "ann", Client: a.ID()}, nil},
		"a session of its own": {session.Target{Session: a.ID(), Client: a.ID()}, nil},
		"anybody":              {session.Target{}, nil},
	} {
		found := n.Find(c.target)
		if c.want == nil && len(found) != 0 || c.want != nil && (len(found) != 1 || found[0] != c.want) {
			t.Errorf("%s: found %v", name, found)
		}
	}
	a.End()
	if found := n.Find(session.Target{Client: a.ID()}); len(found) != 0 || n.Len() != 1 {
		t.Errorf("one that has ended is found: %v, and %d are left", found, n.Len())
	}
	b.End()
}

// TestAdvance pings each session once in a turn, on both of its sides.
func TestAdvance(t *testing.T) {
	n := newNode(t)
	a, b := n.open(t), n.open(t)
	for range session.PingSeconds {
		n.Advance()
	}
	b.End()
	for range session.PingSeconds {
		n.Advance()
	}
	if a.transport.pings != 2 || a.protocol.pings != 2 || b.transport.pings != 1 || b.protocol.pings != 1 {
		t.Errorf("pinged %d and %d times, and one that has ended %d and %d", a.transport.pings, a.protocol.pings, b.transport.pings, b.protocol.pings)
	}
	a.End()
}
