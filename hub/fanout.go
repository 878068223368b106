package hub

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// maxPause bounds the pause between the rounds of a busy channel.
const maxPause = 20 * time.Millisecond

// drain runs the channel's rounds, one after the other, until its queue is
// empty. At most one drain of a channel runs at a time; the hub waits for it.
//
// When messages came during a round, but no full round of them, the next one
// waits as long as that round took. More of them then share a write, and the
// time is left to those who publish and read: at a million deliveries a second
// on two cores the pause halves what a delivery costs. A message that comes to
// an idle channel waits for nothing.
func (c *channel) drain() {
	for b := c.take(); b != nil; b = c.take() {
		start := time.Now()
		if b.loss {
			c.lose(b)
			continue
		}
		b.encode(c.name)
		c.deliver(b)
		if c.gathers() {
			time.Sleep(min(time.Since(start), maxPause))
		}
	}
}

// sectionsEach is how many sections a channel has for each goroutine that drains
// it: 4,096 subscribers. With a second goroutine for half as many, a delivery
// costs 5 to 20 % more, because the writers and their readers share the cores.
const sectionsEach = 16

// deliver writes one round to every subscriber. The sections of a large channel
// are shared out among as many goroutines as there are cores.
func (c *channel) deliver(b *batch) {
	sections := c.snapshot()
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; int(i) < len(sections); i = next.Add(1) - 1 {
			sections[i].deliver(b)
		}
	}
	var helpers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 1+len(sections)/sectionsEach) - 1 {
		helpers.Go(work)
	}
	work()
	helpers.Wait()
}

// deliver writes one round to the section's subscribers and evicts those that
// do not take it, after the lock is released.
func (s *section) deliver(b *batch) {
	for _, r := range s.send(b) {
		r.subscriber.Evict(r.why)
	}
}

// declined is a subscriber that has not taken a delivery.
type declined struct {
	subscriber Subscriber
	why        error
}

func (s *section) send(b *batch) (refused []declined) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subscriptions {
		d := b.delivery(sub)
		if len(d.Messages) == 0 {
			continue
		}
		if why := sub.send(d); why != nil {
			refused = append(refused, declined{sub.subscriber, why})
		}
	}
	return refused
}

// lose tells the subscribers that messages of the channel are lost. Where there is no
// history they are told beside the rounds, which do not wait for that.
func (c *channel) lose(b *batch) {
	if !c.rule.History.on() {
		c.hub.repairer.tellLater(c.name, b.last())
		return
	}
	for _, s := range c.snapshot() {
		s.lose(b.last())
	}
}

// lose tells the section's subscribers of a loss, and returns how many they were.
func (s *section) lose(seq uint64) int {
	losers := s.losers(seq)
	for _, sub := range losers {
		sub.lose()
	}
	return len(losers)
}

// losers returns the subscriptions that a loss concerns. Those that have not
// started hear of it when they do.
func (s *section) losers(seq uint64) (losers []*Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subscriptions {
		switch {
		case sub.after >= seq:
		case sub.hold != nil:
			sub.hold.lose()
		default:
			losers = append(losers, sub)
		}
	}
	return losers
}

func (s *Subscription) lose() {
	if l, ok := s.subscriber.(Loser); ok {
		l.Lose(s)
	}
}

// batch is what one round of a channel delivers: messages that follow one
// another, each encoded once per wire format.
type batch struct {
	messages []*Message
	first    uint64    // sequence of messages[0] on this node
	formats  []format  // the channel's, when the batch was taken
	frames   []encoded // by number of format
	excludes bool      // some message excludes somebody
	loss     bool      // the one message is the mark of a loss
}

// encoded holds the frames of a batch in one wire format.
type encoded struct {
	bytes []byte
	ends  []int // ends[i] is where the frame of message i ends
}

// last returns the sequence of the batch's last message.
func (b *batch) last() uint64 { return b.first + uint64(len(b.messages)) - 1 }

// encode makes the frames for the formats in use. Frames are never written
// over: subscribers may keep them until their sockets have taken them.
func (b *batch) encode(channel string) {
	b.frames = make([]encoded, len(b.formats))
	for i, f := range b.formats {
		if f.subscribers > 0 {
			b.frames[i] = encode(f.encoder, channel, b.messages)
		}
	}
	for _, m := range b.messages {
		b.excludes = b.excludes || m.Exclude != "" || m.ExcludeUser != ""
	}
}

func encode(e Encoder, channel string, messages []*Message) encoded {
	size := 0
	for _, m := range messages {
		size += len(m.Data) + 64
	}
	enc := encoded{bytes: make([]byte, 0, size), ends: make([]int, len(messages))}
	for i, m := range messages {
		enc.bytes = e.AppendFrame(enc.bytes, channel, m)
		enc.ends[i] = len(enc.bytes)
	}
	return enc
}

// delivery returns what of the batch is new to the subscription. It has no
// messages when nothing is.
func (b *batch) delivery(s *Subscription) Delivery {
	if s.after >= b.last() {
		return Delivery{}
	}
	enc := &b.frames[s.format]
	d := Delivery{Messages: b.messages, Frames: enc.bytes, ends: enc.ends}
	if s.after >= b.first {
		d = d.after(int(s.after - b.first + 1))
	}
	if b.excludes {
		d = d.without(s.subscriber.ID(), s.user)
	}
	return d
}

// after leaves the first messages out, of which there is one at least.
func (d Delivery) after(seen int) Delivery {
	end := d.ends[seen-1]
	return Delivery{Messages: d.Messages[seen:], Frames: d.Frames[end-d.base:], ends: d.ends[seen:], base: end}
}

// without copies the messages that do not exclude the subscriber.
func (d Delivery) without(id, user string) (kept Delivery) {
	for i, m := range d.Messages {
		if !m.excludes(id, user) {
			kept.add(m, d.Frame(i))
		}
	}
	return kept
}

// add puts a copy of a frame at the end. The delivery is one that nobody has yet.
func (d *Delivery) add(m *Message, frame []byte) {
	d.Messages = append(d.Messages, m)
	d.Frames = append(d.Frames, frame...)
	d.ends = append(d.ends, d.base+len(d.Frames))
}

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
	sub.hold.release()
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

// send delivers, or holds until the start. It returns why the subscriber refuses,
// once: a message is missing then, and what came after it would show a gap to the
// peer. It runs under the section's lock.
func (s *Subscription) send(d Delivery) error {
	switch {
	case s.hold != nil:
		s.hold.add(d)
	case !s.refused:
		why := s.subscriber.Deliver(s, d)
		s.refused = why != nil
		return why
	}
	return nil
}
