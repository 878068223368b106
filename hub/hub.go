package hub

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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

	// History, Presence, Signals and Notes may come from elsewhere than messages do. Nil:
	// the Broker, if it is one. When it is none, no rule may have a history or
	// presence, calls fail, and nothing is noted.
	//
	// The hub attaches and runs its Broker only. Whoever makes a store of another
	// system attaches the hub to it as the [Handler], before [Hub.Run], and runs it.
	History  HistoryStore
	Presence PresenceStore
	Signals  Signaler
	Notes    NoteStore

	Rules  Rules        // nil: DefaultRules
	Logger *slog.Logger // nil: discards

	// Limits bound what the node keeps. Of those only Channels is the hub's.
	Limits Limits

	// CallWait is how long nodes have to answer a call; see [Hub.CallAll]. It is
	// the same for all nodes. Zero: a second.
	CallWait time.Duration
}

// Hub brings the messages of channels to the subscribers of one node. Its methods
// are safe for several goroutines.
type Hub struct {
	broker   Broker
	history  HistoryStore
	presence PresenceStore
	notes    NoteStore
	rules    Rules
	logger   *slog.Logger
	node     string
	now      func() time.Time // the node's clock, which tests set

	registry registry
	repairer *repairer
	calls    *calls
	stats    stats
	atHand   atomic.Int64 // bytes of messages at hand for those who recover
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
	o = o.complete()
	h := &Hub{
		broker: o.Broker, history: o.History, presence: o.Presence, notes: o.Notes,
		rules: o.Rules, logger: o.Logger, now: time.Now,
		node:     rand.Text()[:8],
		registry: newRegistry(o.Limits.Channels),
	}
	h.repairer = newRepairer(&h.registry, h.history, h.logger, &h.stats)
	h.calls = newCalls(h.node, o.Signals, h.logger, o.CallWait)
	h.broker.Attach(h)
	return h
}

// complete returns the options with every default written out.
func (o Options) complete() Options {
	if o.Broker == nil {
		o.Broker = NewMemoryBrokerWithin(o.Limits)
	}
	o.Limits = o.Limits.complete()
	if o.Rules == nil {
		o.Rules = DefaultRules()
	}
	o.Rules = o.Rules.complete()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.CallWait = cmp.Or(o.CallWait, callWait)
	return o.withStores()
}

// withStores returns the options with the stores and the signaler that the broker
// is, and those that stand in for what nobody needs. It panics when a rule wants
// what there is not.
func (o Options) withStores() Options {
	o.History, o.Presence, o.Signals = partOf(o.History, o.Broker), partOf(o.Presence, o.Broker), partOf(o.Signals, o.Broker)
	o.Notes = partOf(o.Notes, o.Broker)
	for _, r := range o.Rules {
		switch {
		case r.History.on() && o.History == nil:
			panic(fmt.Sprintf("hub: the rule %q has a history, which a %T does not keep: set Options.History", r.Match, o.Broker))
		case r.Presence && o.Presence == nil:
			panic(fmt.Sprintf("hub: the rule %q has presence, which a %T does not know: set Options.Presence", r.Match, o.Broker))
		}
	}
	if o.History == nil {
		o.History = noHistory{}
	}
	if o.Presence == nil {
		o.Presence = noPresence{}
	}
	if o.Signals == nil {
		o.Signals = noSignals{}
	}
	if o.Notes == nil {
		o.Notes = noNotes{}
	}
	return o
}

// partOf returns a part that was given or, when that is nil, the broker if it is
// one. The result is nil when it is none.
func partOf[T any](given T, b Broker) T {
	if any(given) == nil {
		given, _ = b.(T)
	}
	return given
}

// Run runs the broker, the date ticker and the care of channels until the context
// ends, waits for the deliveries under way and returns nil, or returns
// the broker's error. It is called once.
func (h *Hub) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.broker.Run(ctx) })
	g.Go(func() error { h.strike(ctx); return nil })
	g.Go(func() error { h.sweep(ctx); return nil })
	g.Go(func() error { h.repairer.run(ctx); return nil })
	err := g.Wait()
	h.registry.stop()
	h.calls.stop()
	return err
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
		o.History, o.Seen = rule.History, h.registry.position(channel)
	}
	return h.broker.Publish(ctx, channel, m, o.complete())
}

// History reads what a channel remembers, within the age of its rule. Errors are
// those of [Hub.Publish].
func (h *Hub) History(ctx context.Context, channel string, o HistoryOptions) (HistoryResult, error) {
	rule, err := h.Rule(channel)
	if err != nil {
		return HistoryResult{}, err
	}
	o.TTL = rule.History.TTL
	r, err := h.history.History(ctx, channel, o)
	r.Messages = slices.DeleteFunc(r.Messages, func(m *Message) bool { return !m.Kind.Known() })
	return r, err
}

// RemoveHistory makes a channel forget its messages. Positions go on counting.
func (h *Hub) RemoveHistory(ctx context.Context, channel string) error {
	if _, err := h.Rule(channel); err != nil {
		return err
	}
	return h.history.RemoveHistory(ctx, channel)
}

// Notes returns what the nodes have noted; see [NoteStore].
func (h *Hub) Notes(ctx context.Context, seen string) ([]Note, string, error) {
	return h.notes.Notes(ctx, seen)
}

// KeepNotes notes something for all nodes; see [NoteStore].
func (h *Hub) KeepNotes(ctx context.Context, notes []Note) error {
	return h.notes.KeepNotes(ctx, notes)
}

// HandleMessage implements [Handler]. Once Run has returned it does nothing.
func (h *Hub) HandleMessage(channel string, m *Message) {
	if c := h.registry.receiver(channel); c != nil {
		defer h.registry.drains.Done()
		c.enqueue(m)
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
			for names := h.registry.dropIdle(now, idleAfter); len(names) > 0; names = h.registry.dropIdle(now, idleAfter) {
				h.unsubscribe(names)
			}
			h.registry.recents.sweep(now)
		}
	}
}

// unsubscribe tells the broker of channels that the registry has let go of.
func (h *Hub) unsubscribe(names []string) {
	for _, name := range names {
		h.broker.Unsubscribe(name)
	}
}
