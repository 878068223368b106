package hub

// place decides what becomes of a message that the broker brings: whether it
// comes next in its channel, and whether the channel has to be repaired because
// messages before it did not come. It runs under the channel's lock.
func (c *channel) place(m *Message) (next, repair bool) {
	switch {
	case m.Offset == 0:
	case c.position.Epoch == "": // the first that the node hears of
		c.advance(m)
	case m.Epoch != c.position.Epoch:
		return false, true
	case m.Offset <= c.position.Offset:
		return false, false // came twice, or was read from the history already
	case m.Offset > c.position.Offset+1:
		c.heard = max(c.heard, m.Offset)
		return false, true
	default:
		c.advance(m)
	}
	return !c.passed(m.Tick), false
}

// advance notes that a message with a position came next. It runs under the
// lock.
func (c *channel) advance(m *Message) {
	c.position = Position{m.Epoch, m.Offset}
	c.recent.add(m)
}

// begins notes where the channel's history ended when the node began to listen,
// unless a message has said so already.
func (c *channel) begins(p Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.position.Epoch == "" {
		c.position = p
	}
}

// lastPosition returns the position of the last message queued. Its epoch is
// empty when it is not known.
func (c *channel) lastPosition() Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.position
}

// splice queues what a read of the history since a position of the channel
// brought. When that is not all that was missed, a mark is queued instead, which
// tells the subscribers, and the channel goes on from where the history is now.
// It returns how many messages were missing, and whether to read again because
// more has been heard of, or because the epoch has changed since the read.
func (c *channel) splice(since Position, r HistoryResult) (repaired int, lost, again bool) {
	c.mu.Lock()
	switch {
	case since.Epoch != c.position.Epoch:
		c.mu.Unlock()
		return 0, false, true
	case r.Position.Epoch == c.position.Epoch && r.Position.Offset <= c.position.Offset:
		// Nothing was missing, or it has come meanwhile.
	case !c.reaches(r):
		c.position, c.heard, lost = r.Position, 0, true
		c.recent.forget()
		c.push(&Message{loss: true})
	default:
		for _, m := range r.Messages {
			if m.Offset > c.position.Offset {
				c.advance(m)
				repaired++
				if !c.passed(m.Tick) {
					c.push(m)
				}
			}
		}
	}
	// Something heard of that even the history does not have is no reason to
	// read for ever.
	again = c.heard > c.position.Offset && repaired > 0
	c.heard = c.position.Offset
	start := c.begin()
	c.mu.Unlock()
	c.run(start)
	return repaired, lost, again
}

// reaches reports whether a result has every message behind the channel's
// position up to its own. It runs under the lock.
func (c *channel) reaches(r HistoryResult) bool {
	if r.Position.Epoch != c.position.Epoch || len(r.Messages) == 0 {
		return false
	}
	first := r.Messages[0].Offset
	span := r.Position.Offset - first + 1
	return first <= c.position.Offset+1 && span == uint64(len(r.Messages))
}
