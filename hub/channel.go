package hub

import (
	"container/list"
	"slices"
	"sync"
	"time"
)

// Limits of a channel's queue on one node. The hub takes messages as fast as
// it can encode and write them, so the queue is short unless publishers are
// faster than that for a while; then they wait.
const (
	maxQueued = 16 << 20 // bytes of messages that may wait for a round, and one message more
	maxRound  = 64 << 10 // bytes of messages that one round takes, at least one message
	overhead  = 128      // bytes that a message counts beside its data
)

// size is what a message counts in the queue. Small ones cost more memory than
// their data, and their frames more than that.
func (m *Message) size() int {
	size := overhead + len(m.Data)
	if m.Info != nil {
		size += len(m.Info.ConnInfo) + len(m.Info.ChanInfo)
	}
	for key, value := range m.Tags {
		size += len(key) + len(value)
	}
	return size
}

// channel is one channel on this node: the messages that wait for the next
// round, and the subscribers.
type channel struct {
	name  string
	rule  *Rule
	hub   *Hub
	ready chan struct{} // closed once the broker has been asked for the channel

	// What follows is guarded by the lock of the registry.
	refs  int           // subscriptions and calls that hold the channel
	idle  time.Time     // when refs became zero
	left  *list.Element // among the channels that nobody holds; nil while somebody does
	place int           // in the registry's list

	mu       sync.Mutex // guards what follows
	room     sync.Cond  // on mu: the queue got shorter
	queue    []*Message
	queued   int       // bytes in queue
	seq      uint64    // of the last message queued, counted on this node
	tick     int64     // the last tick queued
	tickAt   time.Time // when that was
	position Position  // of the last message queued that has one; see inOrder
	highest  uint64    // the highest offset that the node knows of
	recent   recent    // see recover.go
	changes  *changes  // joins and leaves; nil: there was none; see presence_changes.go
	draining bool
	formats  []format
	sections []*section
}

// format is a wire format in use on a channel. Its place in the channel's list
// is its number; a number is given again when nobody uses it.
type format struct {
	encoder     Encoder
	subscribers int
}

func newChannel(h *Hub, name string, rule *Rule) *channel {
	c := &channel{name: name, rule: rule, hub: h, ready: make(chan struct{})}
	c.room.L = &c.mu
	c.recent.reading, c.recent.atHand = make(chan struct{}, 1), &h.atHand
	return c
}

// enqueue puts a message behind those that wait for a round and sees to it
// that a round is coming. It blocks while the queue is full.
func (c *channel) enqueue(m *Message) {
	c.mu.Lock()
	for c.queued > maxQueued {
		c.room.Wait()
	}
	next, repair := c.inOrder(m)
	if next && (m.Kind == KindPublished || tellsAtOnce(c, m)) {
		c.push(m)
	}
	claimed := c.claimDrain()
	c.mu.Unlock()
	c.startDrain(claimed)
	if repair {
		c.hub.repairer.want(c.name)
	}
}

// inOrder reports whether a message that the broker brings comes next in its
// channel, and whether the channel has to be repaired because messages before it did
// not come. It runs under the channel's lock.
func (c *channel) inOrder(m *Message) (next, repair bool) {
	switch {
	case m.Offset == 0:
	case c.position.Epoch == "": // the first that the node hears of
		c.advance(m)
	case m.Epoch != c.position.Epoch:
		return false, true
	case m.Offset <= c.position.Offset:
		return false, false // came twice, or was read from the history already
	case m.Offset > c.position.Offset+1:
		c.highest = max(c.highest, m.Offset)
		return false, true
	default:
		c.advance(m)
	}
	return !c.tickPassed(m.Tick), false
}

// advance notes that a message with a position came next. It runs under the
// lock.
func (c *channel) advance(m *Message) {
	c.position = Position{m.Epoch, m.Offset}
	if !c.recent.until.IsZero() { // somebody recovers, or did a moment ago
		c.recent.add(m)
	}
}

// tickPassed reports whether a tick has been struck already, and notes it if not.
// A tick is late when the node struck the second by itself and the broker
// brings it after all, or when it comes from a node whose clock is behind that
// of another. One that comes when the date has stopped is taken: the clock was
// set back, or the node whose clock was ahead is gone.
func (c *channel) tickPassed(tick int64) bool {
	if tick == 0 {
		return false
	}
	if tick <= c.tick && time.Since(c.tickAt) < tickStop {
		return true
	}
	c.tick, c.tickAt = tick, time.Now()
	return false
}

// push puts a message into the queue, unless nobody knows what it is. It runs under
// the lock.
func (c *channel) push(m *Message) {
	if !m.Kind.Known() {
		return
	}
	c.seq++
	c.queue = append(c.queue, m)
	c.queued += m.size()
}

// Known reports whether this node knows what such messages are. A newer node may
// publish others, which take their place in the numbering and are not delivered.
func (k Kind) Known() bool { return k <= KindLeave }

// claimDrain reports whether the caller has to start a drain, once the lock under
// which this runs is released, and notes that one is under way.
func (c *channel) claimDrain() bool {
	claimed := !c.draining && len(c.queue) > 0
	c.draining = c.draining || claimed
	return claimed
}

// startDrain starts the drain that was claimed.
func (c *channel) startDrain(claimed bool) {
	if claimed {
		c.hub.registry.drains.Go(c.drain)
	}
}

// take returns the next round's batch, or nil after noting that the drain
// ends.
func (c *channel) take() *batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, size := 0, 0
	for n < len(c.queue) && (n == 0 || size+c.queue[n].size() <= maxRound && !c.queue[n].loss) {
		size += c.queue[n].size()
		n++
		if c.queue[n-1].loss {
			break // alone in its round
		}
	}
	if n == 0 {
		c.draining, c.queue = false, nil
		return nil
	}
	b := &batch{messages: c.queue[:n:n], first: c.seq - uint64(len(c.queue)) + 1, loss: c.queue[0].loss}
	c.queue = c.queue[n:]
	c.queued -= size
	c.room.Broadcast()
	b.formats = slices.Clone(c.formats)
	return b
}

// gathers reports whether messages wait for the next round, but less than it
// could take.
func (c *channel) gathers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 0 && c.queued < maxRound
}

// lastPosition returns the position of the last message queued. Its epoch is
// empty when it is not known.
func (c *channel) lastPosition() Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.position
}

// startFrom notes where the channel's history ended when the node began to listen,
// unless a message has said so already.
func (c *channel) startFrom(p Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.position.Epoch == "" {
		c.position = p
	}
}

// useFormat returns the number of an encoder's format, for one more subscriber.
func (c *channel) useFormat(e Encoder) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	free := len(c.formats)
	for i, f := range c.formats {
		if f.encoder == e {
			c.formats[i].subscribers++
			return i
		}
		if f.subscribers == 0 {
			free = i
		}
	}
	if free == len(c.formats) {
		c.formats = append(c.formats, format{})
	}
	c.formats[free] = format{encoder: e, subscribers: 1}
	return free
}

// leaveFormat ends one subscriber's use of a format.
func (c *channel) leaveFormat(number int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.formats[number].subscribers--
}
