package web

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"slices"
	"sync"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
)

var (
	errGone              = fault.New(fault.NotServing, "the client has gone")
	errAlreadySubscribed = fault.New(fault.AlreadySubscribed, "already subscribed")
	errSubscriptionLimit = fault.New(fault.Limit, "limit exceeded: limits.subscriptions")
)

// transport carries frames to one client, and its messages here.
type transport interface {
	// send writes whole frames, never blocks and keeps the slice. When it does
	// not take them it returns why: wire.ErrSlow when the client is too far
	// behind, and net.ErrClosed when it is gone.
	send(frames []byte) error
	// framing says how a message is wrapped on this transport.
	framing() framing
	// end tells the client why, and closes. With drop, what waits is left out.
	end(code int, reason string, drop bool)
	// ping asks the client whether it is there. The transport itself ends the
	// session when no answer comes.
	ping()
	// abort closes at once.
	abort()
	// remote is the client's address.
	remote() string
}

// protocol is what one session says. Its methods are called one at a time, by
// the goroutine that reads from the transport, but for ping, lost and
// closeCode.
type protocol interface {
	// prepare is called first, before the client hears that it is connected,
	// on the goroutine of the request. An error refuses the client.
	prepare() error
	// opened is called once, when the client can be written to.
	opened()
	// message handles one text message.
	message(text []byte)
	// gone is called once, after the transport has closed.
	gone()
	// ping is called about every pingInterval, on a goroutine of the server.
	ping()
	// lost is called when messages of a subscription cannot be had any more, on
	// a goroutine of the hub.
	lost(*hub.Subscription)
	// closeCode says how the protocol words a reason for closing.
	closeCode(closeReason) (code int, reason string)
}

// session is one client: a transport joined to a protocol, and a subscriber of
// the hub.
type session struct {
	server    *Server
	transport transport
	protocol  protocol
	id        string
	identity  *access.Identity // nil: anonymous
	slot      int              // on the wheel
	// deliver takes the place of Deliver, for a protocol whose frames are not the
	// same for all; nil for most.
	deliver func(*hub.Subscription, hub.Delivery) error

	mu      sync.Mutex // guards what follows
	closing bool
	gone    bool // the transport has closed: no subscription may be added
	// A list, because most sessions have one subscription or few, and a map
	// would be a good part of what an idle session costs.
	subscriptions []subscription
}

// subscription is a subscription of the hub as its session sees it.
type subscription struct {
	*hub.Subscription
	detail *detail // nil when there is nothing to say
}

// detail is what only few subscriptions have.
type detail struct {
	info   []byte // the client's chan_info
	server bool   // the server subscribed the session, by itself or for a backend
}

// newSession makes a session that speaks what the given function makes of it.
func (s *Server) newSession(t transport, speak func(*session) protocol) *session {
	c := &session{server: s, transport: t, id: rand.Text()}
	c.protocol = speak(c)
	return c
}

// admit registers a session, unless the server is going down.
func (s *Server) admit(c *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.sessions[c.id] = c
	s.open.Add(1)
	s.wheel.add(c)
	return true
}

// dismiss ends a session whose transport has closed.
func (s *Server) dismiss(c *session) {
	s.wheel.remove(c)
	c.unsubscribeAll()
	c.protocol.gone()
	s.mu.Lock()
	delete(s.sessions, c.id)
	s.mu.Unlock()
	s.open.Done()
}

// ID implements [hub.Subscriber].
func (c *session) ID() string { return c.id }

// Deliver implements [hub.Subscriber]. There are no frames when the protocol has
// no word for the messages.
func (c *session) Deliver(sub *hub.Subscription, d hub.Delivery) error {
	switch {
	case c.deliver != nil:
		return c.deliver(sub, d)
	case len(d.Frames) == 0:
		return nil
	}
	return c.transport.send(d.Frames)
}

// Lose implements [hub.Loser].
func (c *session) Lose(s *hub.Subscription) { c.protocol.lost(s) }

// Evict implements [hub.Subscriber]. A client that is gone is not evicted for
// being slow.
func (c *session) Evict(why error) {
	if errors.Is(why, net.ErrClosed) {
		c.close(closeGone)
		return
	}
	c.close(closeSlow)
}

// send writes frames that answer the client, and evicts one that does not take
// them.
func (c *session) send(frames []byte) {
	if err := c.transport.send(frames); err != nil {
		c.Evict(err)
	}
}

// aside runs f on a goroutine of its own and waits for it. What a message sets
// off goes deep, and the stack of the goroutine that reads would grow for it and
// stay large while it waits for the next: 4 KiB for each session.
func aside(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// close tells the client why, once, and ends the transport. It does not wait.
func (c *session) close(why closeReason) {
	code, reason := c.protocol.closeCode(why)
	first := c.closeWith(code, reason, why == closeSlow)
	switch {
	case first && why == closeSlow:
		c.server.evicted.Add(1)
		c.server.logger.Debug("evicted", "session", c.id, "remote", c.transport.remote())
	case first && why == closeGone:
		c.server.vanished.Add(1)
		c.server.logger.Debug("gone", "session", c.id, "remote", c.transport.remote())
	}
}

// closeWith ends the transport with a code that the client is told, unless that
// was done before, which it reports. With drop, what waits is left out.
func (c *session) closeWith(code int, reason string, drop bool) (first bool) {
	first = c.beginClosing()
	if first {
		c.transport.end(code, reason, drop)
	}
	return first
}

// beginClosing reports whether it is the first to close the session.
func (c *session) beginClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.closing
	c.closing = true
	return first
}

// wish is how a session is to be subscribed to a channel.
type wish struct {
	// encoder makes the wire format, for a channel with this rule.
	encoder func(*hub.Rule) hub.Encoder
	// rule is that of the channel, where it is known already.
	rule *hub.Rule
	// since is the position to recover from, or nil.
	since *hub.Position
	// data is what the client says of itself: JSON, or nothing.
	data []byte
	// server says that the server wants it, by itself or for a backend, and info is
	// what others are told of the client then: JSON in compact form, or nil.
	server bool
	info   []byte
}

// asks is the question for the guard whether the wish may be granted.
func (w *wish) asks(c *session, channel string) access.Request {
	r := access.Request{Who: c.identity, Action: access.Subscribe, Channel: channel, Rule: w.rule, Data: w.data}
	if w.server {
		r.Who = access.Backend
	}
	return r
}

// subscribe subscribes the session to a channel, if its client may. The
// subscription is to be started once the client was told. It is not called for
// one channel twice at the same time.
func (c *session) subscribe(ctx context.Context, channel string, w wish) (*hub.Subscription, error) {
	permit, err := c.server.guard.Allow(ctx, w.asks(c, channel))
	if err != nil {
		return nil, err
	}
	if !w.server {
		w.info = permit.Info
	}
	if err := c.hasRoom(channel); err != nil {
		return nil, err
	}
	o := hub.SubscribeOptions{Rule: permit.Rule, Recover: w.since, Client: &hub.ClientInfo{Client: c.id, ChanInfo: w.info}}
	sub, err := c.server.hub.Subscribe(ctx, channel, c, w.encoder(permit.Rule), o)
	if err != nil {
		return nil, err
	}
	if !c.add(sub, detail{w.info, w.server}) {
		sub.Cancel()
		return nil, errGone
	}
	return sub, nil
}

// publish publishes what the client says, if it may. The data is JSON in compact
// form.
func (c *session) publish(ctx context.Context, channel string, data []byte) error {
	permit, err := c.server.guard.Allow(ctx, access.Request{Who: c.identity, Action: access.Publish, Channel: channel})
	if err != nil {
		return err
	}
	m := &hub.Message{Data: data, Info: c.info(channel)}
	_, err = c.server.hub.Publish(ctx, channel, m, hub.PublishOptions{Rule: permit.Rule})
	return err
}

// mayRead asks whether the client may read the history or the presence of a
// channel.
func (c *session) mayRead(ctx context.Context, what access.Action, channel string) (*hub.Rule, error) {
	q := access.Request{Who: c.identity, Action: what, Channel: channel, Subscribed: c.subscribed(channel)}
	permit, err := c.server.guard.Allow(ctx, q)
	return permit.Rule, err
}

func (c *session) hasRoom(channel string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.find(channel) >= 0:
		return errAlreadySubscribed
	case len(c.subscriptions) >= c.server.limits.Subscriptions:
		return errSubscriptionLimit
	}
	return nil
}

// add makes a subscription the session's, unless the client has gone meanwhile.
func (c *session) add(sub *hub.Subscription, d detail) bool {
	s := subscription{Subscription: sub}
	if d.info != nil || d.server {
		s.detail = &d
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone {
		c.subscriptions = append(c.subscriptions, s)
	}
	return !c.gone
}

// find returns the place of a channel's subscription, or -1. It runs under the
// lock.
func (c *session) find(channel string) int {
	return slices.IndexFunc(c.subscriptions, func(s subscription) bool { return s.Channel() == channel })
}

// subscribed reports whether the session is subscribed to a channel.
func (c *session) subscribed(channel string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(channel) >= 0
}

// info is who the client is on a channel.
func (c *session) info(channel string) *hub.ClientInfo {
	info := &hub.ClientInfo{Client: c.id}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.find(channel); i >= 0 && c.subscriptions[i].detail != nil {
		info.ChanInfo = c.subscriptions[i].detail.info
	}
	return info
}

// unsubscribe ends a subscription and reports whether there was one.
func (c *session) unsubscribe(channel string) bool {
	c.mu.Lock()
	s, ok := c.take(c.find(channel))
	c.mu.Unlock()
	if ok {
		s.Cancel()
	}
	return ok
}

// drop ends this very subscription, and returns false when it had ended already.
func (c *session) drop(sub *hub.Subscription) (subscription, bool) {
	c.mu.Lock()
	s, ok := c.take(slices.IndexFunc(c.subscriptions, func(s subscription) bool { return s.Subscription == sub }))
	c.mu.Unlock()
	if ok {
		s.Cancel()
	}
	return s, ok
}

// take removes the subscription at a place of the list, if the place is not
// negative. It runs under the lock.
func (c *session) take(i int) (subscription, bool) {
	if i < 0 {
		return subscription{}, false
	}
	s := c.subscriptions[i]
	c.subscriptions = slices.Delete(c.subscriptions, i, i+1)
	return s, true
}

// unsubscribeAll ends every subscription, when the client has gone.
func (c *session) unsubscribeAll() {
	c.mu.Lock()
	subs := c.subscriptions
	c.subscriptions, c.gone = nil, true
	c.mu.Unlock()
	for _, s := range subs {
		s.Cancel()
	}
}
