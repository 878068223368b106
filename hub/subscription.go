package hub

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// maxHold is how many bytes of frames may wait for [Subscription.Start] where there is
// no [Held]. What one round brings may always wait then.
const maxHold = 1 << 20

// Held bounds what waits for the start of subscriptions, all of those that share it.
// The one for which there is no room is evicted when it starts.
type Held struct {
	Most  int          // bytes of frames; not to be changed any more
	bytes atomic.Int64 // that wait
}

// take reports whether there is room for so many bytes more, and counts them.
func (h *Held) take(n int) bool {
	if h.bytes.Add(int64(n)) <= int64(h.Most) {
		return true
	}
	h.bytes.Add(int64(-n))
	return false
}

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
	user       string // whose the subscriber is
	present    string // the client's ID in the channel's presence; empty: not there
	cancel     sync.Once

	// Position is where the channel was when the subscription was made: the
	// first message that is delivered comes after it. Zero: no history.
	Position Position
	// Recovered says that Missed has every message between the position to
	// recover from and Position. It is false when that cannot be had.
	Recovered bool
	// More says that Missed ends before that, at the bound of
	// [SubscribeOptions].RecoverBytes. The subscription is not to be started then:
	// the subscriber cancels it, and recovers from the last of what it got.
	More bool
	// Missed are the messages to recover, in order, without those that exclude
	// the subscriber.
	Missed []*Message
}

// hold is what waits for the start of a subscription.
type hold struct {
	delivery Delivery
	held     *Held // what it is counted in; nil: nothing
	full     bool  // there was too much; Start evicts
	next     *hold // what came after the channel lost messages, which Start says in between; nil: it lost none
}

// Channel returns the channel's name.
func (s *Subscription) Channel() string { return s.channel.name }

// recover finds what the subscriber has missed.
func (s *Subscription) recover(ctx context.Context, o SubscribeOptions) (err error) {
	if o.Recover == nil || !s.channel.rule.History.on() {
		return nil
	}
	since := Position{Epoch: cmp.Or(o.Recover.Epoch, s.Position.Epoch), Offset: o.Recover.Offset}
	s.Missed, s.Recovered, err = s.channel.recover(ctx, since, s.Position, o.RecoverBytes)
	if n := len(s.Missed); n > 0 {
		s.More = s.Missed[n-1].Offset < s.Position.Offset
	}
	id := s.subscriber.ID()
	mine := slices.DeleteFunc(s.Missed, func(m *Message) bool { return m.excludes(id, s.user) || !m.Kind.Known() })
	s.Missed = HistoryOptions{Bytes: o.RecoverBytes}.Within(mine)
	s.More = s.More || len(s.Missed) < len(mine)
	if s.More && len(s.Missed) == 0 {
		s.Recovered, s.More = false, false // it could not say where to go on
	}
	return err
}

// Start delivers what came since the subscription was made and lets later
// messages through at once. A second call does nothing. It must not be called
// from Deliver.
func (s *Subscription) Start() {
	for again := true; again; {
		var why error
		if again, why = s.start(); why != nil {
			s.subscriber.Evict(why)
			return
		}
		if again {
			s.lose() // nothing is delivered meanwhile
		}
	}
}

// start delivers what is held, up to where messages were lost. It returns why
// that was refused.
func (s *Subscription) start() (lost bool, why error) {
	s.section.mu.Lock()
	defer s.section.mu.Unlock()
	held := s.hold
	if held == nil {
		return false, nil // started or cancelled
	}
	s.hold, held.next = held.next, nil
	held.release()
	switch {
	case held.full:
		why = ErrHoldFull
	case len(held.delivery.Messages) > 0:
		why = s.subscriber.Deliver(s, held.delivery)
	}
	if why != nil {
		s.hold.release()
		s.hold, s.refused = nil, true
	}
	return s.hold != nil, why
}

// Cancel ends the subscription: when it returns, nothing is being delivered
// and nothing will be. It waits for at most one section's writes. A second
// call does nothing. It must not be called from Deliver.
func (s *Subscription) Cancel() {
	s.cancel.Do(func() {
		s.section.leave(s)
		if s.present != "" {
			s.channel.hub.presence.Leave(s.channel.name, s.present)
		}
		s.channel.leaveFormat(s.format)
		s.channel.hub.registry.release(s.channel)
	})
}

// add holds a delivery, if there is room.
func (h *hold) add(d Delivery) {
	h = h.last()
	if h.full || !h.hasRoom(len(d.Frames)) {
		h.release()
		h.full, h.delivery = true, Delivery{}
		return
	}
	for i, m := range d.Messages {
		h.delivery.add(m, d.Frame(i))
	}
}

// hasRoom reports whether there is room for a delivery, and counts it.
func (h *hold) hasRoom(size int) bool {
	if h.held != nil {
		return h.held.take(size)
	}
	waiting := len(h.delivery.Frames)
	return waiting == 0 || waiting+size <= maxHold
}

// release counts what is held, from here on, no more.
func (h *hold) release() {
	for ; h != nil && h.held != nil; h = h.next {
		h.held.bytes.Add(-int64(len(h.delivery.Frames)))
	}
}

// lose notes that messages were lost. Losses one after the other are told as one.
func (h *hold) lose() {
	if last := h.last(); last == h || last.full || len(last.delivery.Messages) > 0 {
		last.next = &hold{held: h.held}
	}
}

func (h *hold) last() *hold {
	for h.next != nil {
		h = h.next
	}
	return h
}
