package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// idleAfter is how long a channel without subscribers stays subscribed at the
// broker, so that a client that comes back at once costs nothing.
const idleAfter = 3 * time.Second

// ErrUnknownChannel is wrapped by errors about a channel that no rule matches.
var ErrUnknownChannel = errors.New("unknown channel")

// Options are the parts that a hub is made of.
type Options struct {
	Broker Broker // nil: a new memory broker

	// History, Presence and Signals may come from elsewhere than messages do. Nil:
	// the Broker, if it is one. When it is none, no rule may have a history or
	// presence, and calls fail.
	//
	// The hub attaches and runs its Broker only. Whoever makes a store of another
	// system attaches the hub to it as the [Handler], before [Hub.Run], and runs it.
	History  HistoryStore
	Presence PresenceStore
	Signals  Signaler

	Rules  Rules        // nil: DefaultRules
	Logger *slog.Logger // nil: discards
}

// Hub is the registry of channels and subscribers of one node. Its methods are
// safe for several goroutines.
type Hub struct {
	broker   Broker
	history  HistoryStore
	presence PresenceStore
	signals  Signaler
	rules    Rules
	logger   *slog.Logger
	node     string
	now      func() time.Time // the node's clock, which tests set
	calls    calls
	drains   sync.WaitGroup // rounds under way, messages on their way to them, answers to calls
	every    time.Duration  // see checkEvery

	mu       sync.RWMutex // guards what follows, and the refs and idle of channels
	channels map[string]*channel
	stopped  bool // nothing is added to drains any more
	repairs  repairs
	stats    stats
}

// stats count what the promise costs. See [Stats].
type stats struct{ repaired, lost, reads atomic.Int64 }

// Stats are numbers since the hub was made.
type Stats struct {
	Repaired int64 // messages that Pub/Sub did not bring and the history did
	Lost     int64 // times that subscribers were told of a loss
	Reads    int64 // reads of histories for subscribers who recover
}

// Stats returns the numbers as they are now.
func (h *Hub) Stats() Stats {
	return Stats{h.stats.repaired.Load(), h.stats.lost.Load(), h.stats.reads.Load()}
}

// New makes a hub and attaches it to its broker. It panics when a rule has a
// history or presence and no part is there for it, which is a fault of the program.
func New(o Options) *Hub {
	h := &Hub{
		broker: o.Broker, rules: o.Rules, logger: o.Logger, now: time.Now,
		node:     rand.Text()[:8],
		calls:    newCalls(),
		channels: make(map[string]*channel),
		repairs:  newRepairs(),
		every:    checkEvery,
	}
	if h.broker == nil {
		h.broker = NewMemoryBroker()
	}
	if h.rules == nil {
		h.rules = DefaultRules()
	}
	h.rules = h.rules.complete()
	if h.logger == nil {
		h.logger = slog.New(slog.DiscardHandler)
	}
	h.takeParts(o)
	h.broker.Attach(h)
	return h
}

// Run runs the broker, the date ticker and the care of channels until the context
// ends, waits for the deliveries under way and returns nil, or returns
// the broker's error. It is called once.
func (h *Hub) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.broker.Run(ctx) })
	g.Go(func() error { h.strike(ctx); return nil })
	g.Go(func() error { h.sweep(ctx); return nil })
	g.Go(func() error { h.check(ctx); return nil })
	for range repairers {
		g.Go(func() error { h.repair(ctx); return nil })
	}
	err := g.Wait()
	h.stop()
	h.drains.Wait()
	return err
}

// stop refuses messages from now on, so that the drains come to an end.
func (h *Hub) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	h.calls.end()
}

// Ready returns nil when the broker works, and otherwise an error wrapping
// [ErrUnavailable]. It takes at most two seconds.
func (h *Hub) Ready(ctx context.Context) error { return h.broker.Ready(ctx) }

// Rule returns the rule of a channel, or an error wrapping [ErrChannelName] or
// [ErrUnknownChannel]. It is not to be changed, and may be handed to
// [Hub.Publish] and [Hub.Subscribe], which then need not look for it again.
func (h *Hub) Rule(channel string) (*Rule, error) {
	if err := CheckChannel(channel); err != nil {
		return nil, err
	}
	rule := h.rules.For(channel)
	if rule == nil {
		return nil, fmt.Errorf("%w: no rule of the configuration matches %q", ErrUnknownChannel, channel)
	}
	return rule, nil
}

// ruleOf returns the rule that a caller has looked up, or looks for it.
func (h *Hub) ruleOf(channel string, known *Rule) (*Rule, error) {
	if known != nil {
		return known, nil
	}
	return h.Rule(channel)
}

// Publish hands a message to the broker. The message must not be changed
// afterwards. Errors wrap [ErrChannelName], [ErrUnknownChannel] or
// [ErrUnavailable]; who may publish is for the caller to check by [Hub.Rule].
func (h *Hub) Publish(ctx context.Context, channel string, m *Message, o PublishOptions) (PublishResult, error) {
	rule, err := h.ruleOf(channel, o.Rule)
	if err != nil {
		return PublishResult{}, err
	}
	if m.Time == 0 {
		m.Time = h.now().UnixMilli()
	}
	if !o.SkipHistory {
		o.History, o.Seen = rule.History, h.seen(channel)
	}
	return h.broker.Publish(ctx, channel, m, o.complete())
}

// seen returns the last position of a channel that reached this node, or zero
// when it does not listen.
func (h *Hub) seen(channel string) Position {
	h.mu.RLock()
	c := h.channels[channel]
	h.mu.RUnlock()
	if c == nil {
		return Position{}
	}
	return c.lastPosition()
}

// History reads what a channel remembers, within the age of its rule. Errors are
// those of [Hub.Publish].
func (h *Hub) History(ctx context.Context, channel string, o HistoryOptions) (HistoryResult, error) {
	rule, err := h.Rule(channel)
	if err != nil {
		return HistoryResult{}, err
	}
	o.TTL = rule.History.TTL
	return h.history.History(ctx, channel, o)
}

// RemoveHistory makes a channel forget its messages. Positions go on counting.
func (h *Hub) RemoveHistory(ctx context.Context, channel string) error {
	if _, err := h.Rule(channel); err != nil {
		return err
	}
	return h.history.RemoveHistory(ctx, channel)
}

// HandleMessage implements [Handler]. Once Run has returned it does nothing.
func (h *Hub) HandleMessage(channel string, m *Message) {
	if c := h.receiver(channel); c != nil {
		defer h.drains.Done()
		c.enqueue(m)
	}
}

// receiver returns the channel that a message is for, counted among the drains,
// or nil when nobody is interested.
func (h *Hub) receiver(name string) *channel {
	h.mu.RLock()
	defer h.mu.RUnlock()
	c := h.channels[name]
	if c == nil || h.stopped {
		return nil
	}
	h.drains.Add(1)
	return c
}

// SubscribeOptions are a subscriber's wishes. The zero value has none.
type SubscribeOptions struct {
	// Rule is that of the channel, as [Hub.Rule] returned it. Nil: the hub looks
	// for it.
	Rule *Rule
	// Recover is the position of the last message that the subscriber has.
	// What came after it is in [Subscription.Missed].
	Recover *Position
	// Client is who subscribes, for channels with presence; its Client is the
	// subscriber's ID. Nil: somebody whom nobody is told of.
	Client *ClientInfo
}

// Subscribe adds a subscriber to a channel. Deliveries are held until
// [Subscription.Start]; the caller must Start or Cancel what it gets. When the
// broker is away the subscription is made all the same, without a position, and
// comes alive with the broker; but not one that recovers. Errors wrap
// [ErrChannelName], [ErrUnknownChannel] or [ErrUnavailable], or are the
// context's.
func (h *Hub) Subscribe(ctx context.Context, channel string, s Subscriber, e Encoder, o SubscribeOptions) (*Subscription, error) {
	rule, err := h.ruleOf(channel, o.Rule)
	if err != nil {
		return nil, err
	}
	c, err := h.acquire(ctx, channel, rule)
	if err != nil {
		return nil, err
	}
	if o.Recover != nil {
		err = c.catchUp(ctx, *o.Recover)
	}
	if err != nil {
		h.release(c)
		return nil, err
	}
	sub := &Subscription{subscriber: s, channel: c, format: c.useFormat(e), section: c.seat(), hold: &hold{}}
	sub.section.join(sub)
	if err := sub.recover(ctx, o); err != nil {
		sub.Cancel()
		return nil, err
	}
	sub.enter(ctx, o.Client)
	return sub, nil
}

// NumSubscribers returns how many subscriptions a channel has on this node.
func (h *Hub) NumSubscribers(channel string) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if c := h.channels[channel]; c != nil {
		return c.refs
	}
	return 0
}

// acquire returns the channel after the broker was asked for it, and holds it
// until release.
func (h *Hub) acquire(ctx context.Context, name string, rule *Rule) (*channel, error) {
	c, first := h.retain(name, rule)
	if first {
		// Others may wait for this call, so it outlives the one who made it.
		c.open(context.WithoutCancel(ctx))
		close(c.ready)
	}
	select {
	case <-c.ready:
	case <-ctx.Done():
		h.release(c)
		return nil, fmt.Errorf("subscribe to %q: %w", name, ctx.Err())
	}
	return c, nil
}

// open asks the broker for the channel's messages.
func (c *channel) open(ctx context.Context) {
	if err := c.hub.broker.Subscribe(ctx, c.name); err != nil {
		c.hub.logger.Debug("channel waits for the broker", "channel", c.name, "err", err)
		return
	}
	// An error leaves the position unknown, and the next subscriber asks again.
	_ = c.findPosition(ctx)
}

// findPosition finds out where the history ends, unless that is known or there is
// none.
func (c *channel) findPosition(ctx context.Context) error {
	if !c.rule.History.on() || c.lastPosition().Epoch != "" {
		return nil
	}
	if err := c.beginReading(ctx); err != nil {
		return err
	}
	defer c.endReading()
	if c.lastPosition().Epoch != "" {
		return nil
	}
	positions, err := c.hub.history.Positions(ctx, []string{c.name}, []Position{{}})
	if err != nil {
		return fmt.Errorf("subscribe to %q: %w", c.name, err)
	}
	c.startFrom(positions[0])
	return nil
}

// retain returns the channel, made if need be, with one more reference.
func (h *Hub) retain(name string, rule *Rule) (c *channel, first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c = h.channels[name]
	if c == nil {
		c, first = newChannel(h, name, rule), true
		h.channels[name] = c
	}
	c.refs++
	return c, first
}

// release gives back one reference.
func (h *Hub) release(c *channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.refs--
	if c.refs == 0 {
		c.idle = time.Now()
	}
}

// sweep lets go of channels that have been idle, until the context ends.
func (h *Hub) sweep(ctx context.Context) {
	tick := time.NewTicker(idleAfter / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, name := range h.dropIdle(now) {
				h.broker.Unsubscribe(name)
			}
			for _, c := range h.all() {
				c.dropRecent(now)
			}
		}
	}
}

func (h *Hub) dropIdle(now time.Time) (names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, c := range h.channels {
		if c.refs == 0 && now.Sub(c.idle) >= idleAfter {
			delete(h.channels, name)
			names = append(names, name)
		}
	}
	return names
}

// all returns the channels of this node.
func (h *Hub) all() []*channel {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Collect(maps.Values(h.channels))
}
