package hub

import "sync"

// maxHold is how many bytes of frames may wait for [Subscription.Start]. What
// one round brings may always wait.
const maxHold = 1 << 20

// Subscription is one subscriber on one channel. Deliveries to it are held
// until [Subscription.Start], so that the answer to whoever subscribed goes
// out first.
type Subscription struct {
	subscriber Subscriber
	channel    *channel
	section    *section
	format     int    // number of the wire format
	after      uint64 // messages up to this sequence are not for it
	place      int    // in the section
	hold       *hold  // nil once started or cancelled
	refused    bool   // a delivery was lost, and so none may follow
	cancel     sync.Once
}

// hold is what waits for the start of a subscription.
type hold struct {
	delivery Delivery
	full     bool // there was too much; Start evicts
}

// Channel returns the channel's name.
func (s *Subscription) Channel() string { return s.channel.name }

// Start delivers what came since the subscription was made and lets later
// messages through at once. A second call does nothing. It must not be called
// from Deliver.
func (s *Subscription) Start() {
	if !s.start() {
		s.subscriber.Evict()
	}
}

func (s *Subscription) start() bool {
	s.section.mu.Lock()
	defer s.section.mu.Unlock()
	held := s.hold
	s.hold = nil
	if held == nil || !held.full && len(held.delivery.Messages) == 0 {
		return true
	}
	s.refused = held.full || !s.subscriber.Deliver(s, held.delivery)
	return !s.refused
}

// Cancel ends the subscription: when it returns, nothing is being delivered
// and nothing will be. It waits for at most one section's writes. A second
// call does nothing. It must not be called from Deliver.
func (s *Subscription) Cancel() {
	s.cancel.Do(func() {
		s.section.leave(s)
		s.channel.leaveFormat(s.format)
		s.channel.hub.release(s.channel)
	})
}

// send delivers, or holds until the start. It returns false when the subscriber
// refuses, once: a message is missing then, and what came after it would show a
// gap to the peer. It runs under the section's lock.
func (s *Subscription) send(d Delivery) bool {
	switch {
	case s.hold != nil:
		s.hold.add(d)
	case !s.refused:
		s.refused = !s.subscriber.Deliver(s, d)
		return !s.refused
	}
	return true
}

// add holds a delivery, if there is room. One is held whatever its size.
func (h *hold) add(d Delivery) {
	size := len(h.delivery.Frames)
	if h.full = h.full || size > 0 && size+len(d.Frames) > maxHold; h.full {
		h.delivery = Delivery{}
		return
	}
	h.delivery.Messages = append(h.delivery.Messages, d.Messages...)
	h.delivery.Frames = append(h.delivery.Frames, d.Frames...)
}
