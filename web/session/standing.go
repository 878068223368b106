package session

import (
	"context"
	"time"

	"belfry/hub"
	"belfry/web/access"
)

// Grace is how long a client that can show another token may be late with it.
const Grace = 25 * time.Second

// standing is who the client of a session is, and until when. Nil is an anonymous
// client, and costs nothing.
type standing struct {
	who     *access.Identity
	session *Session // nil: it is none, and end ends it
	end     func()
	timer   *time.Timer // ends the session; nil: it does not end by itself

	listed bool // in the registry, at a place among those of its user; guarded by its lock
	place  int
}

// become makes somebody the client of a session, which ends so long after the identity
// does. It is called by the goroutine that reads.
func become(s *Session, who *access.Identity, grace time.Duration) {
	if who == nil {
		settle(s)
		return
	}
	now := newStanding(s, who, grace)
	was := s.standing.Swap(now)
	stop(was)
	s.registry.swapped(s, was, now)
}

// newStanding is that of the client of a session, which ends so long after the identity
// does.
func newStanding(s *Session, who *access.Identity, grace time.Duration) *standing {
	now := &standing{who: who, session: s}
	if !who.Until.IsZero() {
		now.timer = time.AfterFunc(time.Until(who.Until)+grace, func() {
			if s.standing.Load() == now {
				s.Close(Expired)
			}
		})
	}
	return now
}

// Prolong has a backend say until when the client of a session is who it is; zero: for
// ever. An anonymous client stays as long as it likes.
func Prolong(s *Session, until time.Time) {
	p, ok := s.protocol.(Introducer)
	grace := time.Duration(0)
	if ok {
		grace = Grace
	}
	for {
		was := s.standing.Load()
		if was == nil {
			return
		}
		who := *was.who
		who.Until = until
		now := newStanding(s, &who, grace)
		if s.standing.CompareAndSwap(was, now) {
			stop(was)
			s.registry.swapped(s, was, now)
			break
		}
		stop(now)
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
	if was != nil && was.timer != nil {
		was.timer.Stop()
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
	case err == nil:
		become(s, who, 0)
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
	become(s, who, Grace)
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
	return time.AfterFunc(time.Until(until)+Grace, func() { p.Expired(sub) })
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
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(channel)
	if i < 0 {
		return until, errNotSubscribed
	}
	mine := &s.subscriptions[i]
	was := mine.detail
	if was == nil {
		was = &detail{}
	}
	was.stop()
	mine.detail = &detail{was.info, was.server, permit.Granted, expire(s, mine.Subscription, permit.Until), permit.Token}
	return permit.Until, nil
}
