package hub

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// memoryMetaTTL is how long the position of a channel is remembered after it was
// last published to or asked for.
const memoryMetaTTL = time.Hour

// MemoryBroker is the broker of a single node. It needs nothing and loses
// everything with the process.
type MemoryBroker struct {
	handler  Handler
	presence memoryPresence

	mu       sync.Mutex // guards what follows
	channels map[string]*memoryChannel
}

var _ interface {
	Broker
	HistoryStore
	PresenceStore
	Signaler
} = (*MemoryBroker)(nil)

// memoryChannel is what the broker remembers of a channel.
type memoryChannel struct {
	mu       sync.Mutex // held while a message is accepted and handed over, for the order
	keys     map[string]memoryKey
	gone     bool // forgotten; a newer one may exist
	position Position
	messages []*Message // the newest last
	history  History
	used     time.Time // when the position was last needed
}

// memoryKey is an idempotency key: what came of the first publish, and until
// when that is remembered.
type memoryKey struct {
	position Position
	end      time.Time
}

// NewMemoryBroker returns a broker for one node.
func NewMemoryBroker() *MemoryBroker {
	return &MemoryBroker{presence: newMemoryPresence(), channels: make(map[string]*memoryChannel)}
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
	c := b.lock(j.channel)
	defer c.mu.Unlock()
	b.handler.HandleMessage(j.channel, j.message)
	close(j.told)
}

// Publish implements [Broker]. It waits while the channel's queue is full.
func (b *MemoryBroker) Publish(ctx context.Context, channel string, m *Message, o PublishOptions) (PublishResult, error) {
	if err := ctx.Err(); err != nil {
		return PublishResult{}, fmt.Errorf("%w: publish: %w", ErrUnavailable, err)
	}
	c := b.lock(channel)
	defer c.mu.Unlock()
	now := time.Now()
	if key, ok := c.keys[o.IdempotencyKey]; ok && o.IdempotencyKey != "" && now.Before(key.end) {
		return PublishResult{Position: key.position, Duplicate: true}, nil
	}
	c.accept(m, o.History, now)
	c.remember(o, m, now)
	b.handler.HandleMessage(channel, m)
	return PublishResult{Position: Position{m.Epoch, m.Offset}}, nil
}

// accept gives a message its position, if the channel has a history.
func (c *memoryChannel) accept(m *Message, h History, now time.Time) {
	if h.Size == 0 {
		return
	}
	if c.position.Epoch == "" {
		c.position.Epoch = NewEpoch()
	}
	c.position.Offset++
	m.Epoch, m.Offset, m.Accepted = c.position.Epoch, c.position.Offset, now
	c.history, c.used = h, now
	c.messages = append(c.messages, m)
	c.trim(now)
}

// trim drops messages over the history's bounds.
func (c *memoryChannel) trim(now time.Time) {
	drop := max(0, len(c.messages)-c.history.Size)
	oldest := now.Add(-c.history.TTL)
	for drop < len(c.messages) && c.messages[drop].Accepted.Before(oldest) {
		drop++
	}
	clear(c.messages[:drop])
	c.messages = c.messages[drop:]
}

// remember notes the idempotency key of a publish.
func (c *memoryChannel) remember(o PublishOptions, m *Message, now time.Time) {
	if o.IdempotencyKey == "" {
		return
	}
	if c.keys == nil {
		c.keys = make(map[string]memoryKey)
	}
	c.keys[o.IdempotencyKey] = memoryKey{Position{m.Epoch, m.Offset}, now.Add(o.IdempotencyTTL)}
}

// History implements [HistoryStore].
func (b *MemoryBroker) History(_ context.Context, channel string, o HistoryOptions) (HistoryResult, error) {
	c := b.lock(channel)
	defer c.mu.Unlock()
	c.trim(time.Now())
	return HistoryResult{Messages: selectHistory(c.messages, o), Position: c.begin()}, nil
}

// begin returns the channel's position, and makes an epoch for one that has
// none, so that whoever asks first can recover later. What is asked for is not
// forgotten.
func (c *memoryChannel) begin() Position {
	c.used = time.Now()
	if c.position.Epoch == "" {
		c.position.Epoch = NewEpoch()
	}
	return c.position
}

// RemoveHistory implements [HistoryStore].
func (b *MemoryBroker) RemoveHistory(_ context.Context, channel string) error {
	c := b.lock(channel)
	defer c.mu.Unlock()
	c.messages = nil
	return nil
}

// Positions implements [HistoryStore].
func (b *MemoryBroker) Positions(_ context.Context, channels []string, _ []Position) ([]Position, error) {
	positions := make([]Position, len(channels))
	for i, channel := range channels {
		c := b.lock(channel)
		positions[i] = c.begin()
		c.mu.Unlock()
	}
	return positions, nil
}

// Subscribe implements [Broker]. The handler gets every message anyway.
func (b *MemoryBroker) Subscribe(context.Context, string) error { return nil }

// Unsubscribe implements [Broker].
func (b *MemoryBroker) Unsubscribe(string) {}

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

// lock returns the channel, locked. It may have been forgotten between the look
// and the lock; then there is a new one.
func (b *MemoryBroker) lock(name string) *memoryChannel {
	for {
		c := b.channel(name)
		c.mu.Lock()
		if !c.gone {
			return c
		}
		c.mu.Unlock()
	}
}

func (b *MemoryBroker) channel(name string) *memoryChannel {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.channels[name]
	if c == nil {
		c = &memoryChannel{}
		b.channels[name] = c
	}
	return c
}

// forget drops what is too old, and channels of which nothing is left. A channel
// in use is left for the next time, so that publishers never wait here.
func (b *MemoryBroker) forget(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, c := range b.channels {
		if !c.mu.TryLock() {
			continue
		}
		if c.expire(now) {
			c.gone = true
			delete(b.channels, name)
		}
		c.mu.Unlock()
	}
}

// expire drops keys and messages whose time is over, and reports whether nothing
// is left to remember.
func (c *memoryChannel) expire(now time.Time) bool {
	for name, key := range c.keys {
		if !now.Before(key.end) {
			delete(c.keys, name)
		}
	}
	c.trim(now)
	return len(c.keys)+len(c.messages) == 0 && now.Sub(c.used) > max(memoryMetaTTL, c.history.TTL)
}
