package hub

import (
	"context"
	"time"
)

// History implements [HistoryStore].
func (b *MemoryBroker) History(_ context.Context, channel string, o HistoryOptions) (HistoryResult, error) {
	c := b.look(channel)
	if c == nil {
		return HistoryResult{Position: b.unnumbered(channel)}, nil
	}
	defer c.mu.Unlock()
	c.used = time.Now()
	c.trim(c.used)
	return HistoryResult{Messages: selectHistory(c.messages, o), Position: c.position}, nil
}

// RemoveHistory implements [HistoryStore].
func (b *MemoryBroker) RemoveHistory(_ context.Context, channel string) error {
	if c := b.look(channel); c != nil {
		defer c.mu.Unlock()
		c.held.Add(-c.bytes)
		c.messages, c.bytes = nil, 0
	}
	return nil
}

// Positions implements [HistoryStore]. What is asked for is not forgotten.
func (b *MemoryBroker) Positions(_ context.Context, channels []string, _ []Position) ([]Position, error) {
	positions := make([]Position, len(channels))
	for i, channel := range channels {
		if c := b.look(channel); c != nil {
			c.used, positions[i] = time.Now(), c.position
			c.mu.Unlock()
			continue
		}
		positions[i] = b.unnumbered(channel)
	}
	return positions, nil
}

// unnumbered returns the position of a channel of which nothing is remembered.
func (b *MemoryBroker) unnumbered(name string) Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Position{Epoch: b.newEpoch(name)}
}

// trim drops messages over the history's bounds.
func (c *memoryChannel) trim(now time.Time) {
	n, bytes := c.excess(now, 0, 0)
	c.drop(n)
	c.bytes -= bytes
	c.held.Add(-bytes)
}

// forget drops what is too old, and channels of which nothing is left. It gives way
// to publishers after each sweepSlice of them.
func (b *MemoryBroker) forget(now time.Time) {
	for b.keys.sweep(now, sweepSlice) {
	}
	b.mu.Lock()
	end := len(b.list)
	b.mu.Unlock()
	for end > 0 {
		end = b.forgetBefore(end, now)
	}
}

// forgetBefore goes through the last channels before an end, and returns where they
// begin. It goes backwards because a channel that goes has the last one, which was
// seen, take its place.
func (b *MemoryBroker) forgetBefore(end int, now time.Time) (start int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	end = min(end, len(b.list))
	start = max(0, end-sweepSlice)
	for i := end - 1; i >= start; i-- {
		b.forgetIdle(b.list[i], now)
	}
	return start
}

// forgetIdle drops what a channel has that is too old, and the channel when nothing
// is left. One in use is left for the next time, so that nobody waits here. It runs
// under the lock.
func (b *MemoryBroker) forgetIdle(c *memoryChannel, now time.Time) {
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	c.trim(now)
	numbered := c.position.Offset > 0
	if c.subscribers > 0 || len(c.messages) > 0 || numbered && now.Sub(c.used) <= max(memoryMetaTTL, c.history.TTL) {
		return
	}
	c.gone = true
	last := len(b.list) - 1
	b.list[c.place], b.list[last].place = b.list[last], c.place
	b.list[last], b.list = nil, b.list[:last]
	delete(b.channels, c.name)
	if numbered {
		b.forgotten[b.shard(c.name)]++
	}
}
