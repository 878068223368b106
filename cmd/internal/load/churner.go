package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/HdrHistogram/hdrhistogram-go"

	"belfry/cmd/internal/centrifuge"
)

// membership is where a churner stands with its channel.
type membership uint8

const (
	away membership = iota
	joining
	member
	leaving
)

// churner is a connection that joins and leaves one channel by turns.
type churner struct {
	conn
	run    *run
	name   string // of its channel
	finder finder

	mu     sync.Mutex // guards what follows; held while a read is handled
	now    int64
	state  membership
	id     uint32 // of the last command
	asked  int64  // when it was sent
	joined int64  // when the answer to the last join was read
	stay   []stay // by publisher
	churnCounts

	pong bool  // pings are answered
	err  error // the connect command was refused
}

// stay follows one publisher's messages from a join to the next leave.
type stay struct {
	begun bool
	sequence
}

// churnCounts is what a churner adds up.
type churnCounts struct {
	joins, leaves, refused            int64 // commands
	delivered, lost, duplicated, late int64 // messages while a member
	stray                             int64 // messages while away
	joinLatency                       *hdrhistogram.Histogram
}

func (r *run) openChurner(ctx context.Context, i int) (*churner, error) {
	name := r.channelName(i % r.Channels)
	netConn, early, err := r.openSocket(ctx, r.Subscribers+i, name, nil)
	if err != nil {
		return nil, err
	}
	c := &churner{run: r, name: name, finder: finder{prefix: r.prefix}, id: connectID, stay: make([]stay, r.Publishers)}
	c.joinLatency = newHistogram()
	c.conn = conn{Conn: netConn, listener: c, buf: make([]byte, r.bufferSize())}
	c.held = copy(c.buf, early)
	if err := c.connect(); err != nil {
		c.drop()
		return nil, err
	}
	r.readers.Go(func() { _ = c.readAll() }) // what is missing is counted
	return c, nil
}

func (c *churner) connect() error {
	c.state = joining
	if err := c.send(opText, centrifuge.Frame(connectCommand())); err != nil {
		return err
	}
	for c.state != away {
		if err := errors.Join(c.read(), c.err); err != nil {
			return err
		}
	}
	return c.opened()
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
	c.asked = c.run.clock()
	_ = c.send(opText, centrifuge.Frame(command)) // when it is broken no answer comes
	return true
}

func (c *churner) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == joining || c.state == leaving
}

func (c *churner) begin() {
	c.now = c.run.clock()
	c.mu.Lock()
}

func (c *churner) end() { c.mu.Unlock() }

func (c *churner) closing(int) {}

func (c *churner) message(text []byte) {
	for line := range bytes.SplitSeq(text, newline) {
		if stamp, ok := c.finder.find(line); ok {
			c.count(stamp)
		} else {
			c.reply(line)
		}
	}
}

func (c *churner) count(s stamp) {
	if s.number == 0 || s.publisher >= len(c.stay) {
		return
	}
	if c.state != member && c.state != leaving {
		c.stray++
		return
	}
	stay := &c.stay[s.publisher]
	if !stay.begun {
		stay.begin(s.number, c.run.dueBetween(c.joined, s))
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

// begin takes the number of the first message. So many before it should have
// come too.
func (s *stay) begin(first uint32, missed int64) {
	*s = stay{begun: true, sequence: sequence{last: first - 1 - uint32(missed)}}
}

// finish returns how many messages up to the last one were lost.
func (s *stay) finish() (lost int64) {
	lost = s.lost(s.last)
	*s = stay{}
	return lost
}

func (c *churner) reply(line []byte) {
	if string(line) == centrifuge.Ping {
		if c.pong {
			_ = c.send(opText, line)
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
			c.err = refusal(r.Error)
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
	for p := range c.stay {
		c.lost += c.stay[p].finish()
	}
}
