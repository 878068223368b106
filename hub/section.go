package hub

import "sync"

// sectionSize is the number of subscriptions behind one lock. A join or leave
// waits at most for the writes to one section, about a millisecond.
const sectionSize = 256

// section is a slice of a channel's subscribers.
type section struct {
	size int // places given out; guarded by the channel's lock

	mu            sync.Mutex // guards what follows, and their place, hold and refused
	subscriptions []*Subscription
}

// snapshot returns the sections as they are now. Sections are only ever added.
func (c *channel) snapshot() []*section {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sections
}

// seat gives a place in a section with room.
func (c *channel) seat() *section {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sections {
		if s.size < sectionSize {
			s.size++
			return s
		}
	}
	s := &section{size: 1}
	// A copy, because a drain may be walking the old list.
	c.sections = append(c.sections[:len(c.sections):len(c.sections)], s)
	return s
}

// join makes the subscription part of its section. Whatever is queued from now
// on reaches it; what was queued before does not.
func (s *section) join(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The section is locked before the sequence is read: a round with a newer
	// message has to wait for this section and so finds the subscription.
	sub.after, sub.Position = sub.channel.sequence()
	sub.place = len(s.subscriptions)
	s.subscriptions = append(s.subscriptions, sub)
}

// leave takes the subscription out. No delivery to it runs afterwards.
func (s *section) leave(sub *Subscription) {
	s.mu.Lock()
	last := len(s.subscriptions) - 1
	s.subscriptions[sub.place] = s.subscriptions[last]
	s.subscriptions[sub.place].place = sub.place
	s.subscriptions[last] = nil
	s.subscriptions = s.subscriptions[:last]
	sub.hold = nil // for a Start that comes too late
	s.mu.Unlock()
	sub.channel.unseat(s)
}

func (c *channel) unseat(s *section) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.size--
}

// sequence returns the sequence and the position of the last message queued.
func (c *channel) sequence() (uint64, Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seq, c.position
}
