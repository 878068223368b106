package web

import (
	"crypto/rand"
	"slices"
	"sync"

	"belfry/hub"
)

// transport carries frames to one client, and its messages here.
type transport interface {
	// send writes whole frames, never blocks and keeps the slice. It returns
	// false when the client is too far behind or gone.
	send(frames []byte) bool
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
	// lost is called when messages of a channel cannot be had any more, on a
	// goroutine of the hub.
	lost(channel string)
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
	slot      int // on the wheel

	mu       sync.Mutex // guards what follows
	closing  bool
	reserved int // subscriptions being made
	// A list, because most sessions have one subscription or few, and a map
	// would be a good part of what an idle session costs.
	subscriptions []*hub.Subscription
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
	s.sessions[c] = struct{}{}
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
	delete(s.sessions, c)
	s.mu.Unlock()
	s.open.Done()
}

// ID implements [hub.Subscriber].
func (c *session) ID() string { return c.id }

// Deliver implements [hub.Subscriber]. There are no frames when the protocol has
// no word for the messages.
func (c *session) Deliver(_ *hub.Subscription, d hub.Delivery) bool {
	return len(d.Frames) == 0 || c.transport.send(d.Frames)
}

// Lose implements [hub.Loser].
func (c *session) Lose(s *hub.Subscription) { c.protocol.lost(s.Channel()) }

// Evict implements [hub.Subscriber].
func (c *session) Evict() { c.close(closeSlow) }

// send writes frames that answer the client, and evicts one that does not take
// them.
func (c *session) send(frames []byte) {
	if !c.transport.send(frames) {
		c.Evict()
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
	if !c.beginClosing() {
		return
	}
	if why == closeSlow {
		c.server.evicted.Add(1)
		c.server.logger.Debug("evicted", "session", c.id, "remote", c.transport.remote())
	}
	code, reason := c.protocol.closeCode(why)
	c.transport.end(code, reason, why == closeSlow)
}

// beginClosing reports whether it is the first to close the session.
func (c *session) beginClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.closing
	c.closing = true
	return first
}

// subscribe subscribes the session to a channel. The subscription is to be
// started once the client was told.
func (c *session) subscribe(channel string, e hub.Encoder, o hub.SubscribeOptions) (*hub.Subscription, error) {
	if err := c.reserve(channel); err != nil {
		return nil, err
	}
	ctx, cancel := callContext()
	defer cancel()
	o.Client = &hub.ClientInfo{Client: c.id}
	sub, err := c.server.hub.Subscribe(ctx, channel, c, e, o)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reserved--
	if err != nil {
		return nil, err
	}
	c.subscriptions = append(c.subscriptions, sub)
	return sub, nil
}

// reserve takes a place for a subscription, so that the limit holds. It is
// called by the goroutine that reads, so no two subscriptions to one channel
// are made at the same time.
func (c *session) reserve(channel string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.find(channel) >= 0:
		return errAlreadySubscribed
	case len(c.subscriptions)+c.reserved >= c.server.limits.Subscriptions:
		return errSubscriptionLimit
	}
	c.reserved++
	return nil
}

// find returns the place of a channel's subscription, or -1. It runs under the
// lock.
func (c *session) find(channel string) int {
	return slices.IndexFunc(c.subscriptions, func(s *hub.Subscription) bool { return s.Channel() == channel })
}

// subscribed reports whether the session is subscribed to a channel.
func (c *session) subscribed(channel string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(channel) >= 0
}

// unsubscribe ends a subscription, if there is one.
func (c *session) unsubscribe(channel string) {
	if sub := c.take(channel); sub != nil {
		sub.Cancel()
	}
}

// take removes a subscription from the list, and returns nil if there is none.
func (c *session) take(channel string) *hub.Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.find(channel)
	if i < 0 {
		return nil
	}
	sub := c.subscriptions[i]
	c.subscriptions = slices.Delete(c.subscriptions, i, i+1)
	return sub
}

func (c *session) unsubscribeAll() {
	c.mu.Lock()
	subs := c.subscriptions
	c.subscriptions = nil
	c.mu.Unlock()
	for _, sub := range subs {
		sub.Cancel()
	}
}
