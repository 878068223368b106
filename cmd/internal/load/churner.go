package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"

	"github.com/HdrHistogram/hdrhistogram-go"

	"belfry/cmd/internal/centrifuge"
	"belfry/cmd/internal/client"
)

// membership is where a churner stands with its channel.
type membership uint8

const (
	away membership = iota
	joining
	member
	leaving
)

// churner is a connection that joins and leaves one channel by turns, and the
// listener of it. What is published between the answers to a join and to the next
// leave has to come, once and in order, and nothing may come outside of them.
type churner struct {
	clock  clock
	conn   *client.Conn
	name   string // of its channel
	period int64  // nanoseconds between messages of one publisher in one channel
	finder finder

	mu     sync.Mutex // guards what follows; held while a read is handled
	now    int64
	state  membership
	id     uint32 // of the last command
	asked  int64  // when it was sent
	joined int64  // when the answer to the last join was read
	stays  []stay // by publisher
	churnCounts

	pong bool  // pings are answered
	err  error // the connect command was refused
}

// churnCounts is what a churner adds up.
type churnCounts struct {
	joins, leaves, refused            int64 // commands
	delivered, lost, duplicated, late int64 // messages while a member
	stray                             int64 // messages while away
	joinLatency                       *hdrhistogram.Histogram
}

// newChurner has no connection yet.
func newChurner(c clock, channel, prefix string, publishers int, period int64) *churner {
	return &churner{
		clock: c, name: channel, period: period, finder: finder{prefix: prefix}, id: connectID,
		stays: make([]stay, publishers), churnCounts: churnCounts{joinLatency: newHistogram()},
	}
}

// connect says the first command and waits for its answer. The token may be empty.
func (c *churner) connect(token string) error {
	c.state = joining
	if err := c.conn.SendText(centrifuge.Frame(connectCommand(token))); err != nil {
		return err
	}
	for c.state != away {
		if err := errors.Join(c.conn.Receive(), c.err); err != nil {
			return err
		}
	}
	return c.conn.Ready()
}

// step sends the next command, unless the one before has no answer yet.
func (c *churner) step() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	command := centrifuge.Command{ID: c.id + 1}
	switch c.state {
	case away:
		command.Subscribe, c.state = &centrifuge.SubscribeRequest{Channel: c.name}, joining
	case member:
		command.Unsubscribe, c.state = &centrifuge.ChannelRequest{Channel: c.name}, leaving
	default:
		return false
	}
	c.id++
	c.asked = c.clock.now()
	_ = c.conn.SendText(centrifuge.Frame(command)) // when it is broken no answer comes
	return true
}

// waiting reports whether a command has no answer yet.
func (c *churner) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == joining || c.state == leaving
}

// Begin stands before what a read has brought, which all came at the same time.
func (c *churner) Begin() {
	c.now = c.clock.now()
	c.mu.Lock()
}

// End stands after it.
func (c *churner) End() { c.mu.Unlock() }

// Closing does nothing: what does not come any more is counted.
func (c *churner) Closing(int) {}

// Message takes a frame's messages and replies, one on a line.
func (c *churner) Message(text []byte) {
	for line := range bytes.SplitSeq(text, newline) {
		if stamp, ok := c.finder.find(line); ok {
			c.count(stamp)
		} else {
			c.reply(line)
		}
	}
}

// count counts a message, unless it only warms up.
func (c *churner) count(s stamp) {
	if s.number == 0 || s.publisher >= len(c.stays) {
		return
	}
	if c.state != member && c.state != leaving {
		c.stray++
		return
	}
	stay := &c.stays[s.publisher]
	if !stay.begun {
		stay.begin(s.number, c.dueBefore(s))
	}
	switch stay.note(s.number) {
	case again:
		c.duplicated++
		return
	case late:
		c.late++
	}
	c.delivered++
}

// dueBefore is how many messages were due after the join was answered and before
// the first message that came: those of the same publisher in the same channel
// are a period apart. They should have come.
func (c *churner) dueBefore(first stamp) int64 {
	if first.due <= c.joined {
		return 0
	}
	return min((first.due-c.joined)/c.period, int64(first.number)-1)
}

// reply takes a line that is no message: a ping or the answer to a command.
func (c *churner) reply(line []byte) {
	if string(line) == centrifuge.Ping {
		if c.pong {
			_ = c.conn.SendText(line)
		}
		return
	}
	var r centrifuge.Reply
	if err := json.Unmarshal(line, &r); err != nil || r.ID != c.id {
		return // a push, or what a subscriber's connection would complain of
	}
	switch {
	case r.ID == connectID:
		c.state, c.pong = away, r.Connect != nil && r.Connect.Pong
		if r.Error != nil {
			c.err = r.Error
		}
	case r.Error != nil:
		c.refused++
		c.settle(c.state == leaving)
	case c.state == joining:
		c.joins++
		c.joined = c.now
		record(c.joinLatency, c.now-c.asked)
		c.settle(true)
	case c.state == leaving:
		c.leaves++
		c.settle(false)
	}
}

// settle is where an answer leaves the churner.
func (c *churner) settle(isMember bool) {
	if isMember {
		c.state = member
		return
	}
	c.state = away
	for p := range c.stays {
		c.lost += c.stays[p].finish()
	}
}
