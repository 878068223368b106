package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"

	"belfry/cmd/internal/centrifuge"
)

// follower is one connection of [Followers].
type follower struct {
	team     *Followers
	channels []followed
	conn     *conn // nil before the first, and the last one afterwards

	mu      sync.Mutex // guards what follows, and channels; held while a read is handled
	waiting int        // subscriptions that are not answered
	pong    bool       // pings are answered
	err     error      // what the server said makes no sense, or it refuses
	seen    Followed   // without Messages
}

// followed is one channel, and the position of the last message that came.
type followed struct {
	name   string
	epoch  string
	offset uint64
}

func newFollower(team *Followers, names []string) *follower {
	f := &follower{team: team}
	for _, name := range names {
		f.channels = append(f.channels, followed{name: name})
	}
	return f
}

// open connects and subscribes, waits for the answers, and starts the reader.
func (f *follower) open(ctx context.Context, d *dialer, u *url.URL, i int) error {
	netConn, early, err := d.open(ctx, i, u, nil)
	if err != nil {
		return err
	}
	f.conn = &conn{Conn: netConn, listener: f, buf: make([]byte, 4<<10)}
	f.conn.held = copy(f.conn.buf, early)
	if err := f.subscribe(); err != nil {
		f.conn.drop()
		return err
	}
	f.team.readers.Go(f.follow)
	return nil
}

// subscribe says everything in one frame.
func (f *follower) subscribe() error {
	commands := []centrifuge.Command{connectCommand()}
	for i := range f.channels {
		commands = append(commands, centrifuge.Command{ID: subscribeID + uint32(i), Subscribe: f.channels[i].subscribe()})
	}
	f.waiting = len(f.channels)
	if err := f.conn.send(opText, centrifuge.Frame(commands...)); err != nil {
		return err
	}
	for f.waiting > 0 {
		if err := errors.Join(f.conn.read(), f.err); err != nil {
			return err
		}
	}
	return f.conn.opened()
}

// subscribe is the command that subscribes to the channel, from its position if
// it has one.
func (c *followed) subscribe() *centrifuge.SubscribeRequest {
	return &centrifuge.SubscribeRequest{Channel: c.name, Recover: c.epoch != "", Epoch: c.epoch, Offset: c.offset}
}

func (f *follower) follow() {
	_ = f.conn.readAll()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.conn.left.Load() || f.err != nil {
		f.seen.Closed++
	}
}

// leave cuts the connection.
func (f *follower) leave() {
	if f.conn != nil {
		f.conn.left.Store(true)
		f.conn.drop()
	}
}

func (f *follower) begin() { f.mu.Lock() }
func (f *follower) end()   { f.mu.Unlock() }

// closing counts a connection that the server ends of itself: follow would take
// the answer for our own goodbye.
func (f *follower) closing(code int) {
	f.err = fmt.Errorf("the server closes the connection with code %d", code)
}

func (f *follower) message(text []byte) {
	for line := range bytes.SplitSeq(text, newline) {
		if string(line) == centrifuge.Ping && f.pong {
			_ = f.conn.send(opText, line) // reading tells when the connection is broken
			continue
		}
		var r centrifuge.Reply
		if err := json.Unmarshal(line, &r); err != nil {
			f.err = fmt.Errorf("the server does not speak the Centrifuge protocol in JSON: %w", err)
			return
		}
		f.take(&r)
	}
}

func (f *follower) take(r *centrifuge.Reply) {
	switch i := int(r.ID) - subscribeID; {
	case r.Error != nil:
		f.err = refusal(r.Error)
	case r.Connect != nil:
		f.pong = r.Connect.Pong
	case r.Subscribe != nil && i >= 0 && i < len(f.channels):
		f.waiting--
		f.answer(&f.channels[i], r.Subscribe)
	case r.Push != nil:
		f.push(r.Push)
	}
}

// answer takes what was recovered, or begins at the server's position.
func (f *follower) answer(c *followed, s *centrifuge.SubscribeResult) {
	for _, p := range s.Publications {
		f.note(c, p.Offset)
	}
	if s.Recovered {
		return
	}
	if s.WasRecovering {
		f.seen.Told++
	}
	if s.Epoch == "" {
		f.err = fmt.Errorf("channel %s has no history", c.name)
	}
	c.epoch, c.offset = s.Epoch, s.Offset
}

func (f *follower) push(p *centrifuge.Push) {
	i := slices.IndexFunc(f.channels, func(c followed) bool { return c.name == p.Channel })
	switch {
	case i < 0:
	case p.Unsubscribe != nil:
		f.seen.Told++
	case p.Pub != nil:
		f.note(&f.channels[i], p.Pub.Offset)
	}
}

// note takes the offset of a message, which has to be the next one.
func (f *follower) note(c *followed, offset uint64) {
	if offset <= c.offset {
		f.seen.Duplicated++
		return
	}
	f.seen.Missing += int64(offset - c.offset - 1)
	f.team.came.Add(1)
	c.offset = offset
}
