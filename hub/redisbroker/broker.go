package redisbroker

import (
	"context"
	"sync"

	"belfry/hub"
)

// Broker is the broker of several nodes: messages travel by Redis Pub/Sub, over
// one connection for each node. It is a [hub.Broker], and a [hub.HistoryStore],
// [hub.PresenceStore], [hub.Signaler] and [hub.NoteStore] as well. Its methods are those of its
// parts.
type Broker struct {
	*client
	*publisher // Publish
	*histories // History, RemoveHistory, Positions
	*presence  // Join, Leave, Presence, PresenceStats
	*listener  // Subscribe, Unsubscribe, Signal
	*notes     // Notes, KeepNotes
}

var _ interface {
	hub.Broker
	hub.HistoryStore
	hub.PresenceStore
	hub.Signaler
	hub.NoteStore
} = (*Broker)(nil)

// New returns a broker that connects when it runs. The error says what URL and
// prefix are accepted, and does not show the URL given, because of the password.
func New(o Options) (*Broker, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	b := &Broker{client: c, publisher: newPublisher(c), histories: &histories{c}, listener: newListener(c), notes: &notes{c}}
	b.presence = newPresence(c, o.PresenceTTL, b.listener.wanted.connected)
	b.listener.onConnect = b.presence.members.doubt
	return b, nil
}

// Attach implements [hub.Broker].
func (b *Broker) Attach(h hub.Handler) { b.listener.handler, b.presence.node = h, h.Node() }

// Run implements [hub.Broker]: it keeps one Pub/Sub connection alive, and the presence
// of this node's clients. At the end it takes up to a second to take them back.
// When it returns nothing is published any more.
func (b *Broker) Run(ctx context.Context) error {
	defer b.redis.Close()
	defer func() { b.lanes.stop(); b.voucher.retire(context.WithoutCancel(ctx)) }()
	var parts sync.WaitGroup
	parts.Go(func() { b.presence.keep(ctx) })
	parts.Go(func() { b.presence.reapDead(ctx) })
	b.listener.stayConnected(ctx)
	parts.Wait()
	return nil
}

// Ready implements [hub.Broker].
func (b *Broker) Ready(ctx context.Context) error {
	if err := b.voucher.unfit(); err != nil {
		return err
	}
	if err := b.refusals.err(); err != nil {
		return err
	}
	if !b.wanted.connected() {
		return b.voucher.absent()
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	return unavailable("ping", b.redis.Ping(ctx).Err())
}
