package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// recentFor is how long a channel keeps at hand what was read for somebody who
// recovers. After a node has restarted its clients all come back within
// seconds, and one read serves them.
const recentFor = 5 * time.Second

const (
	// maxRecent is how many bytes of messages a channel keeps at hand at most. What
	// is more is read by each who recovers for itself.
	maxRecent = 4 << 20
	// maxAtHand is how many all channels of a node keep at hand, about.
	maxAtHand = 64 << 20
)

// recent is the newest part of a channel's history, at hand on this node. It is
// guarded by the channel's lock.
type recent struct {
	reading  chan struct{} // holds a token while the history is read, so that one read serves many; not guarded
	messages []*Message    // in one piece up to the channel's position
	until    time.Time     // when it is let go of; zero: there is none
	limit    int           // messages
	size     int           // bytes of the messages
	start    uint64        // the position's offset when the last read began
	atHand   *atomic.Int64 // bytes that all channels of the node have at hand
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
	messages, size, drop := append(r.messages, m), r.size+m.size(), 0
	for ; len(messages)-drop > r.limit || size > maxRecent; drop++ {
		size -= messages[drop].size()
	}
	if drop > 0 {
		messages = slices.Clone(messages[drop:])
	}
	r.hold(messages, size)
}

// hold keeps some messages, which have so many bytes, in place of those that it had.
func (r *recent) hold(messages []*Message, size int) {
	r.atHand.Add(int64(size - r.size))
	r.messages, r.size = messages, size
}

// forget lets go of what is at hand.
func (r *recent) forget() {
	r.hold(nil, 0)
	r.until = time.Time{}
}

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
// at which it joined, or the first of it when that has more than so many bytes. It
// returns false when that cannot be had, errOtherEpoch when the subscriber has to join
// anew to be told so, and an error wrapping ErrUnavailable when the broker is away.
func (c *channel) recover(ctx context.Context, since, joined Position, bytes int) ([]*Message, bool, error) {
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
	missed, at, err := c.readMissed(ctx, since, joined, bytes)
	if err != nil || len(missed) > 0 {
		return missed, len(missed) > 0, err
	}
	if at.Epoch != joined.Epoch {
		err = c.hub.repairer.repairTo(ctx, c.name, at)
	}
	if err == nil && c.lastPosition().Epoch != joined.Epoch {
		err = errOtherEpoch
	}
	return nil, false, err
}

// errOtherEpoch says that the channel has gone on to another epoch since a subscriber
// joined, which would be told of the one that has ended, and of this one at once.
var errOtherEpoch = errors.New("another epoch has begun")

// readMissed returns the messages behind one position up to another, if they can be
// had, and where the history was.
func (c *channel) readMissed(ctx context.Context, since, joined Position, bytes int) ([]*Message, Position, error) {
	if missed := c.fromRecent(since, joined); missed != nil {
		return missed, joined, nil
	}
	if c.hub.atHand.Load()+maxRecent <= maxAtHand {
		read, err := c.read(ctx, since)
		if err != nil || read.isWhole() {
			return c.fromRecent(since, joined), read.Position, err
		}
		if missed := between(read, since, joined); bytes > 0 && len(missed) > 0 {
			return missed, read.Position, nil
		}
	}
	read, err := c.readFrom(ctx, since, bytes)
	return between(read, since, joined), read.Position, err
}

// isWhole reports whether a read of everything behind a position was not cut short
// by a bound of bytes.
func (r HistoryResult) isWhole() bool {
	n := len(r.Messages)
	return n == 0 || r.Messages[n-1].Offset >= r.Position.Offset
}

// between returns what a read of the history has of the messages behind one position
// up to another, in one piece from the first on.
func between(r HistoryResult, since, until Position) []*Message {
	if r.Position.Epoch != until.Epoch {
		return nil
	}
	first := slices.IndexFunc(r.Messages, func(m *Message) bool { return m.Offset > since.Offset })
	if first < 0 {
		return nil
	}
	n := 0
	for _, m := range r.Messages[first:] {
		if m.Offset != since.Offset+uint64(n)+1 || m.Offset > until.Offset {
			break
		}
		n++
	}
	return r.Messages[first : first+n]
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
	if !c.isBefore(since) {
		return nil // somebody else did it
	}
	positions, err := c.hub.history.Positions(ctx, []string{c.name}, []Position{c.lastPosition()})
	if err != nil {
		return fmt.Errorf("subscribe to %q: %w", c.name, err)
	}
	return c.hub.repairer.repairTo(ctx, c.name, positions[0])
}

// isBefore reports whether the channel has still to come to a position, of the same
// epoch or of none.
func (c *channel) isBefore(p Position) bool {
	at := c.lastPosition()
	return (p.Epoch == at.Epoch || p.Epoch == "") && p.Offset > at.Offset
}

// fromRecent returns what is at hand of the messages behind one position up to another,
// or nil when that is not all.
func (c *channel) fromRecent(since, joined Position) []*Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.position.Epoch != joined.Epoch {
		return nil // what is at hand is of another one
	}
	missed, _ := c.recent.between(since.Offset, joined.Offset)
	missed = newerThan(missed, time.Now().Add(-c.rule.History.TTL))
	if uint64(len(missed)) != joined.Offset-since.Offset {
		return nil
	}
	return missed
}

// read reads the history since a little before a position, for others who come
// back at the same time and were a little behind, and keeps it at hand. Messages
// that come during the read are collected behind it. It returns what was read, which
// is not kept when there is more.
func (c *channel) read(ctx context.Context, since Position) (HistoryResult, error) {
	c.mu.Lock()
	c.recent.collect(c.position, c.rule.History.Size)
	c.mu.Unlock()
	c.hub.registry.recents.add(c)
	since.Offset -= min(since.Offset, uint64(c.rule.History.Size/4))
	r, err := c.readFrom(ctx, since, maxRecent)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.recent.forget()
		return r, err
	}
	c.recent.merge(r, c.position.Epoch)
	return r, nil
}

// readFrom reads about so many bytes of the history behind a position; 0: all.
func (c *channel) readFrom(ctx context.Context, since Position, bytes int) (HistoryResult, error) {
	c.hub.stats.reads.Add(1)
	return c.hub.history.History(ctx, c.name, HistoryOptions{Since: &since, Limit: -1, Bytes: bytes, TTL: c.rule.History.TTL})
}

// collect keeps what comes from now on.
func (r *recent) collect(p Position, limit int) {
	r.hold(nil, 0)
	r.until, r.limit, r.start = time.Now().Add(recentFor), limit, p.Offset
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
		r.hold(nil, 0) // so many came that the first were dropped
	}
	size := r.size
	for _, m := range older {
		size += m.size()
	}
	r.hold(append(slices.Clone(older), r.messages...), size)
}

// dropRecent lets go of what is at hand when it has not been needed for a while, and
// reports whether nothing is left.
func (c *channel) dropRecent(now time.Time) (gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.After(c.recent.until) {
		c.recent.forget()
	}
	return c.recent.until.IsZero()
}

// recents are the channels that have something at hand.
type recents struct {
	mu       sync.Mutex // guards what follows
	channels map[*channel]struct{}
}

func (r *recents) add(c *channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.channels[c] = struct{}{}
}

// sweep lets channels drop what they need no more. Who recovers meanwhile is added
// afterwards.
func (r *recents) sweep(now time.Time) {
	r.mu.Lock()
	channels := slices.Collect(maps.Keys(r.channels))
	r.mu.Unlock()
	for _, c := range channels {
		r.mu.Lock()
		if c.dropRecent(now) {
			delete(r.channels, c)
		}
		r.mu.Unlock()
	}
}
