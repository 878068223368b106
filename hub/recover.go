package hub

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// recentFor is how long a channel keeps at hand what was read for somebody who
// recovers. After a node has restarted its clients all come back within
// seconds, and one read serves them.
const recentFor = 5 * time.Second

// recent is the newest part of a channel's history, at hand on this node. It is
// guarded by the channel's lock.
type recent struct {
	reading  chan struct{} // holds a token while the history is read, so that one read serves many; not guarded
	messages []*Message    // in one piece up to the channel's position
	until    time.Time     // when it is let go of; zero: there is none
	limit    int           // messages
	start    uint64        // the position's offset when the last read began
}

// beginReading waits for its turn to ask the broker about the history, until
// endReading. While the broker does not answer, many wait for theirs: the error
// wraps ErrUnavailable, and comes when the context ends.
func (c *channel) beginReading(ctx context.Context) error {
	select {
	case c.recent.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: wait for the history of %q: %w", ErrUnavailable, c.name, ctx.Err())
	}
}

func (c *channel) endReading() { <-c.recent.reading }

// add keeps up with the channel, while something is kept.
func (r *recent) add(m *Message) {
	n := len(r.messages)
	if time.Now().After(r.until) || n > 0 && r.messages[n-1].Offset+1 != m.Offset {
		r.forget()
		return
	}
	r.messages = append(r.messages, m)
	if drop := len(r.messages) - r.limit; drop > 0 {
		r.messages = slices.Clone(r.messages[drop:])
	}
}

// forget lets go of what is at hand.
func (r *recent) forget() { r.messages, r.until = nil, time.Time{} }

// between returns the messages behind an offset up to another one, and false
// when they are not all at hand.
func (r *recent) between(since, until uint64) ([]*Message, bool) {
	if r.until.IsZero() || len(r.messages) == 0 {
		return nil, false
	}
	first := r.messages[0].Offset
	last := first + uint64(len(r.messages)) - 1
	if since+1 < first || until > last {
		return nil, false
	}
	return slices.Clone(r.messages[since+1-first : until+1-first]), true
}

// recover returns what a subscriber has missed between its position and the one
// at which it joined. It returns false when that cannot be had, and an error
// wrapping ErrUnavailable when the broker is away.
func (c *channel) recover(ctx context.Context, since, joined Position) ([]*Message, bool, error) {
	switch {
	case since.Epoch != joined.Epoch || since.Offset > joined.Offset:
		return nil, false, nil
	case since.Offset == joined.Offset:
		return nil, true, nil
	case joined.Offset-since.Offset > uint64(c.rule.History.Size):
		return nil, false, nil // more than the history holds
	}
	if err := c.beginReading(ctx); err != nil {
		return nil, false, err
	}
	defer c.endReading()
	if missed, ok := c.fromRecent(since, joined); ok {
		return missed, true, nil
	}
	if err := c.read(ctx, since); err != nil {
		return nil, false, err
	}
	missed, ok := c.fromRecent(since, joined)
	return missed, ok, nil
}

// catchUp brings the channel to where a subscriber is that comes from a node
// which was faster, so that it is not sent back to what it has already. It
// returns an error wrapping ErrUnavailable when the broker is away.
func (c *channel) catchUp(ctx context.Context, since Position) error {
	if !c.rule.History.on() {
		return nil // whatever position was made up
	}
	if err := c.findPosition(ctx); err != nil || !c.isBefore(since) {
		return err
	}
	if err := c.beginReading(ctx); err != nil {
		return err
	}
	defer c.endReading()
	if !c.isBefore(since) || c.hub.registry.receiver(c.name) == nil {
		return nil // somebody else did it, or the hub has stopped
	}
	defer c.hub.registry.drains.Done()
	positions, err := c.hub.history.Positions(ctx, []string{c.name}, []Position{c.lastPosition()})
	if err != nil {
		return fmt.Errorf("subscribe to %q: %w", c.name, err)
	}
	return c.hub.repairer.repairOne(ctx, c, positions[0])
}

// isBefore reports whether the channel has still to come to a position, of the same
// epoch.
func (c *channel) isBefore(p Position) bool {
	at := c.lastPosition()
	return p.Epoch == at.Epoch && p.Offset > at.Offset
}

func (c *channel) fromRecent(since, joined Position) ([]*Message, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	missed, ok := c.recent.between(since.Offset, joined.Offset)
	if ok {
		missed = newerThan(missed, time.Now().Add(-c.rule.History.TTL))
		ok = uint64(len(missed)) == joined.Offset-since.Offset
	}
	return missed, ok
}

// read reads the history since a little before a position, for others who come
// back at the same time and were a little behind, and keeps it at hand. Messages
// that come during the read are collected behind it.
func (c *channel) read(ctx context.Context, since Position) error {
	c.mu.Lock()
	c.recent.collect(c.position, c.rule.History.Size)
	c.mu.Unlock()
	since.Offset -= min(since.Offset, uint64(c.rule.History.Size/4))
	r, err := c.hub.history.History(ctx, c.name, HistoryOptions{Since: &since, Limit: -1, TTL: c.rule.History.TTL})
	c.hub.stats.reads.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.recent.forget()
		return err
	}
	c.recent.merge(r, c.position.Epoch)
	return nil
}

// collect keeps what comes from now on.
func (r *recent) collect(p Position, limit int) {
	r.messages, r.until, r.limit, r.start = nil, time.Now().Add(recentFor), limit, p.Offset
}

// merge puts what was read before what was collected meanwhile, if the two are in
// one piece. Otherwise what was read serves those who wait for it, until the next
// message comes.
func (r *recent) merge(h HistoryResult, epoch string) {
	older := h.Messages
	for len(older) > 0 && older[len(older)-1].Offset > r.start {
		older = older[:len(older)-1] // collected, or to come yet
	}
	n := len(older)
	whole := n > 0 && older[n-1].Offset == r.start && older[n-1].Offset-older[0].Offset == uint64(n-1)
	if r.until.IsZero() || h.Position.Epoch != epoch || !whole {
		r.forget()
		return
	}
	if len(r.messages) > 0 && r.messages[0].Offset != r.start+1 {
		r.messages = nil // so many came that the first were dropped
	}
	r.messages = append(slices.Clone(older), r.messages...)
}

// dropRecent lets go of what is at hand when it has not been needed for a while.
func (c *channel) dropRecent(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.After(c.recent.until) {
		c.recent.forget()
	}
}
