package session

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
)

// Errors of [Session.Subscribe].
var (
	ErrGone              = fault.New(fault.NotServing, "the client has gone")
	ErrAlreadySubscribed = fault.New(fault.AlreadySubscribed, "already subscribed")
	errNotSubscribed     = fault.New(fault.Denied, "permission denied: not subscribed")
	ErrSubscriptionLimit = fault.New(fault.Limit, "limit exceeded: limits.subscriptions")
)

// subscription is a subscription of the hub as its session sees it.
type subscription struct {
	*hub.Subscription
	detail *detail // nil when there is nothing to say
}

// detail is what only few subscriptions have.
type detail struct {
	info    []byte           // the client's chan_info
	server  bool             // the server subscribed the session, by itself or for a backend
	granted access.Actions   // by the token that the client showed for it
	timer   *time.Timer      // ends when that does; nil: it does not
	token   *access.Identity // what that token says; nil: there was none
}

// stop is for a subscription that ends otherwise. Nil has nothing to stop.
func (d *detail) stop() {
	if d != nil && d.timer != nil {
		d.timer.Stop()
	}
}

// Wish is how a session is to be subscribed to a channel.
type Wish struct {
	// Encoder makes the wire format, by what the client may.
	Encoder func(access.Permit) hub.Encoder
	// Rule is that of the channel, where it is known already.
	Rule *hub.Rule
	// Since is the position to recover from, or nil. What is more than Bytes is left
	// for another time; see [hub.Subscription.More]. Zero: [Limits.Answer].
	Since *hub.Position
	Bytes int
	// Data is what the client says of itself: JSON, or nothing.
	Data []byte
	// Token is what the client shows; empty: nothing.
	Token string
	// Until is set when the wish is granted: when the subscription ends unless the client
	// shows another token, and zero when it does not.
	Until *time.Time
	// Server says that the server wants it, by itself or for a backend, and Info is
	// what others are told of the client then: JSON in compact form, or nil.
	Server bool
	Info   []byte
}

// asks is the question for the guard whether the wish may be granted.
func (w *Wish) asks(s *Session, channel string) access.Request {
	r := access.Request{Who: IdentityOf(s), From: s.place.from, Action: access.Subscribe, Channel: channel, Rule: w.Rule,
		Data: w.Data, Token: w.Token, Client: s.id}
	if w.Server {
		r.Who = access.Backend
	}
	return r
}

// Subscribe subscribes the session to a channel, if its client may. The
// subscription is to be started once the client was told. It is not called for
// one channel twice at the same time.
func (s *Session) Subscribe(ctx context.Context, channel string, w Wish) (*hub.Subscription, error) {
	permit, err := s.registry.guard.Allow(ctx, w.asks(s, channel))
	if err != nil {
		return nil, err
	}
	if !w.Server {
		w.Info = permit.Info
	}
	if err := s.hasRoom(channel); err != nil {
		return nil, err
	}
	o := hub.SubscribeOptions{Rule: permit.Rule, RecoverBytes: cmp.Or(w.Bytes, s.registry.limits.Answer()),
		Held: &s.held, Client: s.info(channel, w.Info)}
	o.User = o.Client.User
	if permit.Recover {
		o.Recover = w.Since
	}
	sub, err := s.registry.hub.Subscribe(ctx, channel, s, w.Encoder(permit), o)
	if err != nil {
		return nil, err
	}
	if !s.add(sub, detail{w.Info, w.Server, permit.Granted, nil, permit.Token}, permit.Until) {
		sub.Cancel()
		return nil, ErrGone
	}
	if err := s.registry.recheck(s, channel, permit.Token); err != nil {
		return nil, err
	}
	if w.Until != nil {
		*w.Until = permit.Until
	}
	return sub, nil
}

// Listener is somebody who is no session: a request that is answered with the first
// that comes, and that nobody sees on a channel.
type Listener struct {
	Who     *access.Identity
	From    netip.Addr // of its client; the zero address is not known
	To      hub.Subscriber
	Encoder hub.Encoder
	Held    *hub.Held // what comes before its subscriptions are started
}

// Listen subscribes a listener to a channel, if it may. About so many bytes of what it
// has missed since a position are recovered, if it may have that.
func (r *Registry) Listen(ctx context.Context, l Listener, channel string, since *hub.Position, bytes int) (sub *hub.Subscription, recovers bool, err error) {
	permit, err := r.guard.Allow(ctx, access.Request{Who: l.Who, From: l.From, Action: access.Subscribe, Channel: channel})
	if err != nil {
		return nil, false, err
	}
	o := hub.SubscribeOptions{Rule: permit.Rule, RecoverBytes: bytes, Held: l.Held}
	if who := l.Who.On(channel); who != nil {
		o.User = who.User
	}
	if permit.Recover {
		o.Recover = since
	}
	sub, err = r.hub.Subscribe(ctx, channel, l.To, l.Encoder, o)
	return sub, permit.Recover, err
}

// MayRecover reports whether the client of a session may have what it has missed on a
// channel to which the server subscribes it: that is a part of the history.
func MayRecover(ctx context.Context, s *Session, channel string) bool {
	q, _ := question(s, access.ReadHistory, channel)
	q.Subscribed = true
	_, err := s.registry.guard.Allow(ctx, q)
	return err == nil
}

// Publish publishes what the client says, if it may, and not too much of it. The
// data is JSON in compact form. It is called by the goroutine that reads.
func (s *Session) Publish(ctx context.Context, channel string, data []byte) error {
	if !s.pace.publish(s.registry.limits) {
		return errTooFast
	}
	q, chanInfo := question(s, access.Publish, channel)
	permit, err := s.registry.guard.Allow(ctx, q)
	if err != nil {
		return err
	}
	m := &hub.Message{Data: data, Info: s.info(channel, chanInfo)}
	_, err = s.registry.hub.Publish(ctx, channel, m, hub.PublishOptions{Rule: permit.Rule})
	return err
}

// PublishAsServer publishes what the server says of a session, if the rule lets it.
func (s *Session) PublishAsServer(ctx context.Context, channel string, data []byte) error {
	permit, err := s.registry.guard.Allow(ctx, access.Request{Who: access.Backend, Action: access.Publish, Channel: channel})
	if err != nil {
		return err
	}
	_, err = s.registry.hub.Publish(ctx, channel, &hub.Message{Data: data}, hub.PublishOptions{Rule: permit.Rule})
	return err
}

// MayRead asks whether the client may read the history or the presence of a
// channel.
func (s *Session) MayRead(ctx context.Context, what access.Action, channel string) (*hub.Rule, error) {
	q, _ := question(s, what, channel)
	permit, err := s.registry.guard.Allow(ctx, q)
	return permit.Rule, err
}

// question is the one for the guard whether the client may do something on a channel
// that it may be subscribed to, beside its chan_info there.
func question(s *Session, what access.Action, channel string) (q access.Request, chanInfo []byte) {
	q = access.Request{Who: IdentityOf(s), From: s.place.from, Action: what, Channel: channel, Client: s.id}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(channel)
	q.Subscribed = i >= 0
	if q.Subscribed && s.subscriptions[i].detail != nil {
		q.Granted, chanInfo = s.subscriptions[i].detail.granted, s.subscriptions[i].detail.info
	}
	return q, chanInfo
}

func (s *Session) hasRoom(channel string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.find(channel) >= 0:
		return ErrAlreadySubscribed
	case len(s.subscriptions) >= s.registry.limits.Subscriptions:
		return ErrSubscriptionLimit
	}
	return nil
}

// add makes a subscription the session's, unless the client has gone meanwhile.
// It ends at a time that is not zero.
func (s *Session) add(sub *hub.Subscription, d detail, until time.Time) bool {
	mine := subscription{Subscription: sub}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return false
	}
	d.timer = expire(s, sub, until)
	if d.info != nil || d.server || d.granted != 0 || d.timer != nil || d.token != nil {
		mine.detail = &d
	}
	s.subscriptions = append(s.subscriptions, mine)
	return true
}

// find returns the place of a channel's subscription, or -1. It runs under the
// lock.
func (s *Session) find(channel string) int {
	return slices.IndexFunc(s.subscriptions, func(sub subscription) bool { return sub.Channel() == channel })
}

// info is who the client is on a channel where it has this chan_info.
func (s *Session) info(channel string, chanInfo []byte) *hub.ClientInfo {
	info := &hub.ClientInfo{Client: s.id, ChanInfo: chanInfo}
	if who := IdentityOf(s).On(channel); who != nil {
		info.User, info.ConnInfo = who.User, who.Info
	}
	return info
}

// Unsubscribe ends a subscription and reports whether there was one.
func (s *Session) Unsubscribe(channel string) bool {
	s.mu.Lock()
	sub, ok := s.take(s.find(channel))
	s.mu.Unlock()
	if ok {
		sub.Cancel()
	}
	return ok
}

// Drop ends this very subscription. It reports whether it had not ended before,
// and whether the server had made it.
func (s *Session) Drop(sub *hub.Subscription) (ended, server bool) {
	s.mu.Lock()
	mine, ok := s.take(slices.IndexFunc(s.subscriptions, func(other subscription) bool { return other.Subscription == sub }))
	s.mu.Unlock()
	if ok {
		mine.Cancel()
	}
	return ok, mine.detail != nil && mine.detail.server
}

// take removes the subscription at a place of the list, if the place is not
// negative. It runs under the lock.
func (s *Session) take(i int) (subscription, bool) {
	if i < 0 {
		return subscription{}, false
	}
	sub := s.subscriptions[i]
	s.subscriptions = slices.Delete(s.subscriptions, i, i+1)
	sub.detail.stop()
	return sub, true
}

// unsubscribeAll ends every subscription, when the client has gone.
func (s *Session) unsubscribeAll() {
	s.mu.Lock()
	subs := s.subscriptions
	s.subscriptions, s.gone = nil, true
	s.mu.Unlock()
	for _, sub := range subs {
		sub.detail.stop()
		sub.Cancel()
	}
}
