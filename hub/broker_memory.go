package hub

import (
	"context"
	"sync"
	"time"
)

// MemoryBroker is the broker of a single node. It needs nothing and loses
// everything with the process.
type MemoryBroker struct {
	handler Handler

	mu       sync.Mutex // guards what follows
	channels map[string]*memoryChannel
}

// memoryChannel is a channel that is being published to or whose idempotency
// keys are remembered.
type memoryChannel struct {
	mu   sync.Mutex // held while a message is accepted and handed over, for the order
	keys map[string]time.Time
	gone bool // forgotten; a newer one may exist
}

// NewMemoryBroker returns a broker for one node.
func NewMemoryBroker() *MemoryBroker {
	return &MemoryBroker{channels: make(map[string]*memoryChannel)}
}

// Attach implements [Broker].
func (b *MemoryBroker) Attach(h Handler) { b.handler = h }

// Run implements [Broker]: it forgets idempotency keys whose time is over.
func (b *MemoryBroker) Run(ctx context.Context) error {
	sweep := time.NewTicker(10 * time.Second)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-sweep.C:
			b.forget(now)
		}
	}
}

// Publish implements [Broker]. It waits while the channel's queue is full, which
// the context does not end.
func (b *MemoryBroker) Publish(ctx context.Context, channel string, m *Message, o PublishOptions) (PublishResult, error) {
	if err := ctx.Err(); err != nil {
		return PublishResult{}, unavailable("publish", err)
	}
	c := b.lock(channel)
	defer c.mu.Unlock()
	if c.known(o, time.Now()) {
		return PublishResult{Duplicate: true}, nil
	}
	b.handler.HandleMessage(channel, m)
	return PublishResult{}, nil
}

// Subscribe implements [Broker]. The handler gets every message anyway.
func (b *MemoryBroker) Subscribe(context.Context, string) error { return nil }

// Unsubscribe implements [Broker].
func (b *MemoryBroker) Unsubscribe(string) {}

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

// known reports whether the key of a publish is remembered, and remembers it.
func (c *memoryChannel) known(o PublishOptions, now time.Time) bool {
	if o.IdempotencyKey == "" {
		return false
	}
	if end, ok := c.keys[o.IdempotencyKey]; ok && now.Before(end) {
		return true
	}
	if c.keys == nil {
		c.keys = make(map[string]time.Time)
	}
	c.keys[o.IdempotencyKey] = now.Add(o.ttl())
	return false
}

// forget drops keys that ended before now, and channels without keys. A channel
// in use is left for the next time, so that publishers never wait here.
func (b *MemoryBroker) forget(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, c := range b.channels {
		if !c.mu.TryLock() {
			continue
		}
		if c.expire(now); len(c.keys) == 0 {
			c.gone = true
			delete(b.channels, name)
		}
		c.mu.Unlock()
	}
}

// expire drops keys that ended before now.
func (c *memoryChannel) expire(now time.Time) {
	for key, end := range c.keys {
		if !now.Before(end) {
			delete(c.keys, key)
		}
	}
}
