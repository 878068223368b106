package hub

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// repairers is how many repairs run at the same time.
	repairers = 8
	// repairBatch is how many channels one question about positions names.
	repairBatch = 500
	// repairBytes is about how many bytes of messages one read for a repair brings.
	repairBytes = 4 << 20
	// repairRetry is the pause after a repair that the broker did not answer.
	repairRetry = 100 * time.Millisecond
	// tellPause is the time for each subscriber who is told of a loss that cannot be
	// repaired: 10,000 take a second.
	tellPause = 100 * time.Microsecond
)

// repairer brings channels of a node that may have missed messages to where their
// histories are.
type repairer struct {
	registry *registry
	history  HistoryStore
	logger   *slog.Logger
	stats    *stats

	mu     sync.Mutex // guards what follows
	wanted map[string]struct{}
	wake   chan struct{}     // holds a token when wanted is not empty
	untold map[string]uint64 // channels without history that have a loss to be told of, and its number in the queue
	bell   chan struct{}     // holds a token when untold is not empty
}

func newRepairer(r *registry, s HistoryStore, logger *slog.Logger, stats *stats) *repairer {
	return &repairer{
		registry: r, history: s, logger: logger, stats: stats,
		wanted: make(map[string]struct{}), wake: make(chan struct{}, 1),
		untold: make(map[string]uint64), bell: make(chan struct{}, 1),
	}
}

// run repairs channels, and compares positions with the broker's, until the
// context ends.
func (r *repairer) run(ctx context.Context) {
	var parts sync.WaitGroup
	for range repairers {
		parts.Go(func() { r.repair(ctx) })
	}
	parts.Go(func() { r.tell(ctx) })
	r.check(ctx)
	parts.Wait()
}

// HandleGap implements [Handler]. Where there is no history nothing can be repaired, and
// subscribers are told.
func (h *Hub) HandleGap(channels []string) {
	h.HandleDoubt(channels)
	for _, name := range channels {
		if c := h.registry.receiver(name); c != nil {
			noteGap(c)
			h.registry.drains.Done()
		}
	}
}

// HandleDoubt implements [Handler]. Without a history there is nothing to compare.
func (h *Hub) HandleDoubt(channels []string) {
	h.repairer.want(h.registry.withHistory(channels)...)
}

// noteGap queues the mark of a loss in a channel without a history. The date goes on
// without a broker.
func noteGap(c *channel) {
	if c.rule.History.on() || c.name == DateChannel {
		return
	}
	c.mu.Lock()
	c.push(&Message{loss: true})
	claimed := c.claimDrain()
	c.mu.Unlock()
	c.startDrain(claimed)
}

// tellLater has those told of a loss who joined before what was queued as number seq.
func (r *repairer) tellLater(channel string, seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.untold[channel] = seq
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

// tell tells subscribers of losses until the context ends. It takes its time, because
// each comes back and subscribes again.
func (r *repairer) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.bell:
		}
		r.mu.Lock()
		untold := r.untold
		r.untold = make(map[string]uint64)
		r.mu.Unlock()
		for name, seq := range untold {
			r.tellOf(ctx, name, seq)
		}
	}
}

// tellOf tells the subscribers of a channel, a section at a time.
func (r *repairer) tellOf(ctx context.Context, name string, seq uint64) {
	c := r.registry.receiver(name)
	if c == nil {
		return
	}
	defer r.registry.drains.Done()
	told := 0
	for _, s := range c.snapshot() {
		n := s.lose(seq)
		if told += n; n > 0 {
			pause(ctx, time.Duration(n)*tellPause)
		}
		if ctx.Err() != nil {
			return
		}
	}
	if told > 0 {
		r.logger.Debug("subscribers were told that they may have missed messages", "channel", name, "subscribers", told)
	}
}

// want asks for the repair of channels. It does not block.
func (r *repairer) want(channels ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range channels {
		r.wanted[c] = struct{}{}
	}
	r.signal()
}

// take returns some of the channels, at most n, and leaves a token for the rest.
func (r *repairer) take(n int) (channels []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.wanted {
		if len(channels) == n {
			break
		}
		delete(r.wanted, c)
		channels = append(channels, c)
	}
	r.signal()
	return channels
}

// signal runs under the lock.
func (r *repairer) signal() {
	if len(r.wanted) == 0 {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// repair repairs channels until the context ends: it compares what this node
// has queued with where the history is, many channels in one question, and
// reads what is missing.
func (r *repairer) repair(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		left, err := r.repairAll(ctx, r.take(repairBatch))
		if err != nil && ctx.Err() == nil {
			r.logger.Debug("repair waits for the broker", "err", err)
			r.want(left...)
			pause(ctx, repairRetry)
		}
	}
}

// repairAll returns the channels that could not be repaired, and why.
func (r *repairer) repairAll(ctx context.Context, names []string) (left []string, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	seen := make([]Position, len(names))
	for i, name := range names {
		seen[i] = r.registry.position(name)
	}
	// One channel that the broker cannot tell of keeps no other waiting.
	positions, err := r.history.Positions(ctx, names, seen)
	for i, name := range names {
		if i >= len(positions) || positions[i].Epoch == "" {
			left = append(left, name)
			continue
		}
		if err := r.repairTo(ctx, name, positions[i]); err != nil {
			return append(left, names[i:]...), err
		}
	}
	return left, err
}

// repairTo repairs a channel, if there is still somebody who listens.
func (r *repairer) repairTo(ctx context.Context, name string, reached Position) error {
	c := r.registry.receiver(name)
	if c == nil {
		return nil
	}
	defer r.registry.drains.Done()
	c.startFrom(reached)
	return r.repairOne(ctx, c, reached)
}

// repairOne brings a channel to a position that the history is known to have
// reached, in parts: what was missed may be as large as the history, and the next part
// is read when most of it has gone out.
func (r *repairer) repairOne(ctx context.Context, c *channel, reached Position) error {
	for again := true; again; {
		c.waitForRoom()
		since := c.lastPosition()
		if since == reached {
			return nil
		}
		read, err := r.history.History(ctx, c.name, HistoryOptions{Since: &since, Limit: -1, Bytes: repairBytes, TTL: c.rule.History.TTL})
		if err != nil {
			return err
		}
		reached = read.Position
		whole := read.isWhole()
		if !whole {
			read.Position.Offset = read.Messages[len(read.Messages)-1].Offset
		}
		var repaired int
		var lost bool
		repaired, lost, again = c.fillGap(since, read)
		again = again || !whole
		r.count(c.name, repaired, lost)
	}
	return nil
}

// waitForRoom returns when not too much waits for the channel's rounds.
func (c *channel) waitForRoom() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.queued > maxQueued {
		c.room.Wait()
	}
}

// fillGap queues what a read of the history since a position of the channel
// brought. When that is not all that was missed, a mark is queued instead, which
// tells the subscribers, and the channel goes on from where the history is now.
// It returns how many messages were missing, and whether to read again because
// more is known of, or because the epoch has changed since the read.
func (c *channel) fillGap(since Position, r HistoryResult) (repaired int, lost, again bool) {
	c.mu.Lock()
	switch {
	case since.Epoch != c.position.Epoch:
		c.mu.Unlock()
		return 0, false, true
	case r.Position.Epoch == c.position.Epoch && r.Position.Offset <= c.position.Offset:
		// Nothing was missing, or it has come meanwhile.
	case !c.isComplete(r):
		c.position, c.highest, lost = r.Position, 0, true
		c.recent.forget()
		c.push(&Message{loss: true})
	default:
		for _, m := range r.Messages {
			if m.Offset > c.position.Offset {
				c.advance(m)
				repaired++
				if !c.tickPassed(m.Tick) {
					c.push(m)
				}
			}
		}
	}
	// An offset that even the history does not have is no reason to
	// read for ever.
	again = c.highest > c.position.Offset && repaired > 0
	c.highest = c.position.Offset
	claimed := c.claimDrain()
	c.mu.Unlock()
	c.startDrain(claimed)
	return repaired, lost, again
}

// isComplete reports whether a result has every message behind the channel's
// position up to its own. It runs under the lock.
func (c *channel) isComplete(r HistoryResult) bool {
	if r.Position.Epoch != c.position.Epoch || len(r.Messages) == 0 {
		return false
	}
	first := r.Messages[0].Offset
	span := r.Position.Offset - first + 1
	return first <= c.position.Offset+1 && span == uint64(len(r.Messages))
}

// count keeps the numbers of repairs, and logs losses.
func (r *repairer) count(channel string, repaired int, lost bool) {
	r.stats.repaired.Add(int64(repaired))
	if lost {
		r.stats.lost.Add(1)
		r.logger.Warn("messages cannot be had any more, subscribers are told", "channel", channel)
	}
}

// pause waits, or returns at once when the context ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
