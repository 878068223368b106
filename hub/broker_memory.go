package hub

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// memoryMetaTTL is how long the position of a channel is remembered after it was
// last published to or asked for.
const memoryMetaTTL = time.Hour

// epochShards is how many epochs begin to differ when channels are forgotten. A
// channel shares its own with others by chance.
const epochShards = 4096

// MemoryBroker is the broker of a single node. It needs nothing and loses
// everything with the process.
//
// What it remembers is bounded by its [Limits]: a publish that would need more is
// refused with a [LimitError]. A channel without subscribers to which nothing was
// published costs nothing. It has a position all the same, in the epoch in which the
// next channel begins: the first one, until channels that were published to are
// forgotten.
type MemoryBroker struct {
	handler  Handler
	presence memoryPresence
	memoryNotes
	limits Limits
	keys   memoryKeys
	held   atomic.Int64 // bytes of messages in all histories
	epoch  uint64       // the first one, to which others add
	seed   maphash.Seed // of shards

	mu        sync.Mutex // guards what follows, and the subscribers and place of channels
	channels  map[string]*memoryChannel
	list      []*memoryChannel // the same, to be gone through in slices
	forgotten [epochShards]uint32
}

var _ interface {
	Broker
	HistoryStore
	PresenceStore
	Signaler
	NoteStore
} = (*MemoryBroker)(nil)

// memoryChannel is what the broker remembers of a channel.
type memoryChannel struct {
	name        string
	subscribers int // calls of Subscribe that were not taken back; guarded by the broker's lock, as is place
	place       int // in the broker's list
	held        *atomic.Int64

	mu       sync.Mutex // held while a message is accepted and handed over, for the order
	gone     bool       // forgotten; a newer one may exist
	position Position
	messages []*Message // the newest last
	bytes    int64      // of messages
	history  History
	used     time.Time // when the position was last needed
}

// NewMemoryBroker returns a broker for one node with the default limits.
func NewMemoryBroker() *MemoryBroker { return NewMemoryBrokerWithin(Limits{}) }

// NewMemoryBrokerWithin returns a broker for one node.
func NewMemoryBrokerWithin(l Limits) *MemoryBroker {
	l = l.complete()
	return &MemoryBroker{
		presence: newMemoryPresence(), channels: make(map[string]*memoryChannel),
		limits: l, keys: newMemoryKeys(l.IdempotencyKeys), epoch: rand.Uint64(), seed: maphash.MakeSeed(),
	}
}

// Attach implements [Broker].
func (b *MemoryBroker) Attach(h Handler) { b.handler = h }

// Run implements [Broker]: it tells who joins and leaves, and forgets what is too
// old.
func (b *MemoryBroker) Run(ctx context.Context) error {
	sweep := time.NewTicker(10 * time.Second)
	defer sweep.Stop()
	defer b.presence.end()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-sweep.C:
			b.forget(now)
		case <-b.presence.wake:
			for _, j := range b.presence.take() {
				b.bring(j)
			}
		}
	}
}

// bring tells of a join or a leave. The channel is locked, because the handler
// takes its messages one at a time.
func (b *MemoryBroker) bring(j joinLeave) {
	if c := b.look(j.channel); c != nil { // otherwise nobody listens
		b.handler.HandleMessage(j.channel, j.message)
		c.mu.Unlock()
	}
	close(j.told)
}

// Publish implements [Broker]. It waits while the channel's queue is full.
func (b *MemoryBroker) Publish(ctx context.Context, channel string, m *Message, o PublishOptions) (PublishResult, error) {
	if err := ctx.Err(); err != nil {
		return PublishResult{}, fmt.Errorf("%w: publish: %w", ErrUnavailable, err)
	}
	c, err := b.lock(channel)
	if err != nil {
		return PublishResult{}, err
	}
	defer c.mu.Unlock()
	now := time.Now()
	if o.IdempotencyKey == "" {
		err = b.accept(c, m, o.History, now)
	} else if p, known := b.keys.find(memoryKey{channel, o.IdempotencyKey}, now); known {
		return PublishResult{Position: p, Duplicate: true}, nil
	} else {
		err = b.acceptOnce(c, m, o, now)
	}
	if err != nil {
		return PublishResult{}, err
	}
	b.handler.HandleMessage(channel, m)
	return PublishResult{Position: Position{m.Epoch, m.Offset}}, nil
}

// acceptOnce accepts a message and remembers its idempotency key, or does neither.
func (b *MemoryBroker) acceptOnce(c *memoryChannel, m *Message, o PublishOptions, now time.Time) error {
	if err := b.keys.reserve(now); err != nil {
		return err
	}
	if err := b.accept(c, m, o.History, now); err != nil {
		b.keys.release()
		return err
	}
	b.keys.add(memoryKey{c.name, o.IdempotencyKey}, memoryOnce{Position{m.Epoch, m.Offset}, now.Add(o.IdempotencyTTL)})
	return nil
}

// accept gives a message its position, if the channel has a history, and keeps it
// there. What it takes the place of makes room for it.
func (b *MemoryBroker) accept(c *memoryChannel, m *Message, h History, now time.Time) error {
	if h.Size == 0 {
		return nil
	}
	c.history, c.used = h, now
	size := int64(m.size())
	drop, freed := c.excess(now, 1, size)
	if held := b.held.Add(size - freed); size > freed && held > b.limits.History {
		b.held.Add(freed - size)
		return &LimitError{"limits.history", fmt.Sprintf("the histories of all channels have %d bytes, and no room for more", b.limits.History)}
	}
	c.drop(drop)
	c.position.Offset++
	m.Epoch, m.Offset, m.Accepted = c.position.Epoch, c.position.Offset, now
	c.messages, c.bytes = append(c.messages, m), c.bytes+size-freed
	return nil
}

// excess returns how many of the oldest messages are over the history's bounds when
// more come, with how many bytes. The newest of all is within them, whatever its size.
func (c *memoryChannel) excess(now time.Time, more int, size int64) (n int, bytes int64) {
	h, oldest := c.history, now.Add(-c.history.TTL)
	for ; n < len(c.messages); n++ {
		left := len(c.messages) - n + more
		large := h.Bytes > 0 && c.bytes-bytes+size > int64(h.Bytes) && left > 1
		if left <= h.Size && !large && !c.messages[n].Accepted.Before(oldest) {
			break
		}
		bytes += int64(c.messages[n].size())
	}
	return n, bytes
}

// drop lets go of the first messages. The caller counts their bytes.
func (c *memoryChannel) drop(n int) {
	clear(c.messages[:n])
	c.messages = c.messages[n:]
}

// Subscribe implements [Broker]. The handler gets every message anyway; the position
// stays as it is while somebody subscribes.
func (b *MemoryBroker) Subscribe(_ context.Context, channel string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.channel(channel).subscribers++
	return nil
}

// Unsubscribe implements [Broker]. A channel to which nothing was published is
// forgotten.
func (b *MemoryBroker) Unsubscribe(channel string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.channels[channel]; c != nil {
		c.subscribers--
		b.forgetIdle(c, time.Now())
	}
}

// Signal implements [Signaler]. There is one node.
func (b *MemoryBroker) Signal(_ context.Context, node string, data []byte) (reached int, err error) {
	if node != "" && node != b.handler.Node() {
		return 0, nil
	}
	b.handler.HandleSignal(data)
	return 1, nil
}

// Ready implements [Broker].
func (b *MemoryBroker) Ready(context.Context) error { return nil }

// lock returns the channel, locked, and makes it if need be. The error is a
// [LimitError]. It may have been forgotten between the look and the lock; then there
// is a new one.
func (b *MemoryBroker) lock(name string) (*memoryChannel, error) {
	for {
		b.mu.Lock()
		if len(b.list) >= b.limits.Channels && b.channels[name] == nil {
			b.mu.Unlock()
			return nil, &LimitError{"limits.channels", fmt.Sprintf("%d channels are in use or remembered, and no more until some of them are forgotten", b.limits.Channels)}
		}
		c := b.channel(name)
		b.mu.Unlock()
		if c.mu.Lock(); !c.gone {
			return c, nil
		}
		c.mu.Unlock()
	}
}

// look returns the channel, locked, or nil when there is none.
func (b *MemoryBroker) look(name string) *memoryChannel {
	for {
		b.mu.Lock()
		c := b.channels[name]
		b.mu.Unlock()
		if c == nil {
			return nil
		}
		if c.mu.Lock(); !c.gone {
			return c
		}
		c.mu.Unlock()
	}
}

// channel makes the channel if need be. It runs under the lock.
func (b *MemoryBroker) channel(name string) *memoryChannel {
	c := b.channels[name]
	if c == nil {
		c = &memoryChannel{name: name, place: len(b.list), held: &b.held, position: Position{Epoch: b.newEpoch(name)}}
		b.channels[name], b.list = c, append(b.list, c)
	}
	return c
}

// newEpoch returns the epoch in which a channel begins: the one in which its position
// is told to those who ask before anything was published, and another one than before
// it was forgotten. It runs under the lock.
func (b *MemoryBroker) newEpoch(name string) string {
	return epochText(b.epoch + uint64(b.forgotten[b.shard(name)]))
}

func (b *MemoryBroker) shard(name string) uint64 { return maphash.String(b.seed, name) % epochShards }
