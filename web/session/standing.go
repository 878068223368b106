package session

import (
	"context"
	"sync/atomic"
	"time"

	"belfry/hub"
	"belfry/web/access"
)

const (
	// Grace is how long a client that can show another token may be late with it.
	Grace = 25 * time.Second
	// soon is how long before its end a session gets a timer for it. Until then each
	// ping looks how far that is: a timer for an hour is 150 bytes for an hour.
	soon = 2 * PingSeconds * time.Second
)

// standing is who the client of a session is, and until when. Nil is an anonymous
// client, and costs nothing.
type standing struct {
	who     *access.Identity
	session *Session // nil: it is none, and end ends it
	end     func()
	timer   atomic.Pointer[time.Timer] // ends the session; nil: it does not end by itself, or not soon
	late    bool                       // it may be late with another token

	listed bool // in the registry, at a place among those of its user; guarded by its lock
	place  int
}

// become makes somebody the client of a session that has shown a token, and can show
// another: it ends [Grace] later than the identity. It is called by the goroutine that
// reads.
func become(s *Session, who *access.Identity) {
	if who == nil {
		settle(s)
		return
	}
	now := &standing{who: who, session: s, late: true}
	was := s.standing.Swap(now)
	stop(was)
	now.watch()
	s.registry.swapped(s, was, now)
}

// watch has the session end in time, if that is soon. It is called once the client
// stands like this, and with each ping.
func (st *standing) watch() {
	if st == nil || st.who.Until.IsZero() || st.timer.Load() != nil {
		return
	}
	left := time.Until(st.who.Until)
	if st.late {
		left += Grace
	}
	if left > soon {
		return
	}
	timer := time.AfterFunc(left, st.over)
	if !st.timer.CompareAndSwap(nil, timer) || !st.holds() {
		timer.Stop()
	}
}

// over ends the session, unless its client has shown another token.
func (st *standing) over() {
	if st.holds() {
		st.session.Close(Expired)
	}
}

func (st *standing) holds() bool { return st.session.standing.Load() == st }

// Prolong has a backend say until when the client of a session is who it is; zero: for
// ever. An anonymous client stays as long as it likes.
func Prolong(s *Session, until time.Time) {
	p, ok := s.protocol.(Introducer)
	for {
		was := s.standing.Load()
		if was == nil {
			return
		}
		who := *was.who
		who.Until = until
		now := &standing{who: &who, session: s, late: ok}
		if s.standing.CompareAndSwap(was, now) {
			stop(was)
			now.watch()
			s.registry.swapped(s, was, now)
			break
		}
	}
	if ok {
		p.Prolonged(until)
	}
}

// settle makes the client anonymous, as one that has gone is.
func settle(s *Session) {
	if was := s.standing.Swap(nil); was != nil {
		stop(was)
		s.registry.swapped(s, was, nil)
	}
}

func stop(was *standing) {
	if was == nil {
		return
	}
	if timer := was.timer.Load(); timer != nil {
		timer.Stop()
	}
}

// Introducer is a [Protocol] whose clients can say who they are once they are
// connected, and show another token in time.
type Introducer interface {
	// Unknown is called before Prepare when what the client came with does not say who
	// it is, and why. The client may say so later.
	Unknown(err error)
	// Prolonged is called when a backend has said until when the client is who it is;
	// zero: for ever. It is called by a goroutine of the HTTP API.
	Prolonged(until time.Time)
	// Expired is called when the token is over by which a client is subscribed, on any
	// goroutine.
	Expired(*hub.Subscription)
}

// introduce finds out who a client is by what it comes with. An error refuses it.
func introduce(ctx context.Context, s *Session, h access.Hello) error {
	who, err := s.registry.Identify(ctx, h)
	if err == nil {
		err = countUser(ctx, s, who)
	}
	p, ok := s.protocol.(Introducer)
	switch {
	case err == nil && who != nil: // Begin looks until when
		s.standing.Store(&standing{who: who, session: s})
	case err == nil:
	case ok:
		p.Unknown(err)
	default:
		return err
	}
	return nil
}

// Authenticate finds out who the client of a session is by the token that it shows
// once it is connected, and returns that. Nothing else is done for the client
// meanwhile. With an error the client is who it was. Agree, which may be nil, is asked
// whether the session may become that client.
func (r *Registry) Authenticate(ctx context.Context, s *Session, token string, agree func(*access.Identity) error) (*access.Identity, error) {
	who, err := r.Identify(ctx, access.Hello{Token: token, Remote: s.transport.Remote()})
	if err == nil && agree != nil {
		err = agree(who)
	}
	if err == nil {
		err = countUser(ctx, s, who)
	}
	if err != nil {
		return nil, err
	}
	become(s, who)
	review(ctx, s)
	return who, nil
}

// InfoOf is who the client of a session is, wherever that counts.
func InfoOf(s *Session) hub.ClientInfo {
	info := hub.ClientInfo{Client: s.id}
	if who := IdentityOf(s); who != nil && who.Within == nil {
		info.User, info.ConnInfo = who.User, who.Info
	}
	return info
}

// UserOf is the ID of the user of a session; empty: it is of nobody in particular.
func UserOf(s *Session) string {
	if who := IdentityOf(s); who != nil {
		return who.User
	}
	return ""
}

// IdentityOf is whom a session is of; nil: of somebody anonymous.
func IdentityOf(s *Session) *access.Identity {
	if now := s.standing.Load(); now != nil {
		return now.who
	}
	return nil
}

// expire has the protocol told when the token for a subscription is over. It returns
// nil for one that does not end.
func expire(s *Session, sub *hub.Subscription, until time.Time) *time.Timer {
	p, ok := s.protocol.(Introducer)
	if !ok || until.IsZero() {
		return nil
	}
	return time.AfterFunc(time.Until(until)+Grace, func() { s.registry.Go(func() { p.Expired(sub) }) })
}

// RenewSubscription asks whether the client may stay subscribed by another token, and
// returns until when; zero: for ever. With an error the subscription ends when it would
// have ended.
func RenewSubscription(ctx context.Context, s *Session, channel, token string) (until time.Time, err error) {
	q, _ := question(s, access.Subscribe, channel)
	q.Token, q.Subscribed, q.Granted = token, false, 0
	permit, err := s.registry.guard.Allow(ctx, q)
	if err != nil {
		return until, err
	}
	if err := renew(s, channel, permit); err != nil {
		return until, err
	}
	return permit.Until, s.registry.recheck(s, channel, permit.Token)
}

// renew has a subscription go on by another token.
func renew(s *Session, channel string, permit access.Permit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(channel)
	if i < 0 {
		return errNotSubscribed
	}
	mine := &s.subscriptions[i]
	was := mine.detail
	if was == nil {
		was = &detail{}
	}
	was.stop()
	mine.detail = &detail{was.info, was.server, permit.Granted, expire(s, mine.Subscription, permit.Until), permit.Token}
	return nil
}
