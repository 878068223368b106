package follow

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
	"belfry/cmd/internal/client"
)

const (
	// bufferSize is the size of a connection's read buffer in bytes. It grows when
	// the server sends many missed messages at once.
	bufferSize = 4 << 10
	// connectID is the ID of the first command, and subscribeID that of the one for
	// the first channel; the others follow it.
	connectID   = 1
	subscribeID = 2
)

// follower is one connection of [Followers], and its listener.
type follower struct {
	team     *Followers
	channels []followed
	token    string        // empty: it is anonymous
	conn     *client.Conn  // nil before the first, and the last one afterwards
	ended    chan struct{} // closed when reading from that has

	mu      sync.Mutex // guards what follows, and channels; held while a read is handled
	waiting int        // subscriptions that are not answered
	pong    bool       // pings are answered
	err     error      // what the server said makes no sense, or it refuses
	seen    Seen       // without Messages
}

// followed is one channel, and the position of the last message that came.
type followed struct {
	name   string
	epoch  string
	offset uint64
}

// newFollower has no connection and no positions yet.
func newFollower(team *Followers, names []string) *follower {
	f := &follower{team: team}
	for _, name := range names {
		f.channels = append(f.channels, followed{name: name})
	}
	return f
}

// open connects and subscribes, waits for the answers, and starts the reader.
func (f *follower) open(ctx context.Context, d *client.Dialer, u *url.URL, i int) (err error) {
	if f.conn, err = d.Open(ctx, client.Opening{URL: u, Number: i, Listener: f, Buffer: bufferSize}); err != nil {
		return err
	}
	if err := f.subscribe(); err != nil {
		f.conn.Drop()
		return err
	}
	f.ended = make(chan struct{})
	f.team.readers.Go(f.follow)
	return nil
}

// subscribe says everything in one frame.
func (f *follower) subscribe() error {
	commands := []centrifuge.Command{{ID: connectID, Connect: &centrifuge.ConnectRequest{Token: f.token, Name: "belfry bench"}}}
	for i := range f.channels {
		commands = append(commands, centrifuge.Command{ID: subscribeID + uint32(i), Subscribe: f.channels[i].subscribe()})
	}
	f.waiting = len(f.channels)
	if err := f.conn.SendText(centrifuge.Frame(commands...)); err != nil {
		return err
	}
	for f.waiting > 0 {
		if err := errors.Join(f.conn.Receive(), f.err); err != nil {
			return err
		}
	}
	return f.conn.Ready()
}

// subscribe is the command that subscribes to the channel, from its position if
// it has one.
func (c *followed) subscribe() *centrifuge.SubscribeRequest {
	return &centrifuge.SubscribeRequest{Channel: c.name, Recover: c.epoch != "", Epoch: c.epoch, Offset: c.offset}
}

// follow reads until the connection ends, and counts it if that was not our doing.
func (f *follower) follow() {
	defer close(f.ended)
	_ = f.conn.ReceiveAll()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.conn.Left() || f.err != nil {
		f.seen.Closed++
	}
}

// leave cuts the connection.
func (f *follower) leave() {
	if f.conn != nil {
		f.conn.Drop()
	}
}

// Begin takes the lock for what a read has brought.
func (f *follower) Begin() { f.mu.Lock() }

// End gives it back.
func (f *follower) End() { f.mu.Unlock() }

// Closing counts a connection that the server ends of itself: follow would take
// the answer for our own goodbye.
func (f *follower) Closing(code int) {
	f.err = fmt.Errorf("the server closes the connection with code %d", code)
}

// Message takes a frame's replies, one on a line.
func (f *follower) Message(text []byte) {
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		if string(line) == centrifuge.Ping && f.pong {
			_ = f.conn.SendText(line) // reading tells when the connection is broken
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

// take takes a reply. A refused command is a failure of the whole follower.
func (f *follower) take(r *centrifuge.Reply) {
	switch i := int(r.ID) - subscribeID; {
	case r.Error != nil:
		f.err = r.Error
	case r.Connect != nil:
		f.pong = r.Connect.Pong
	case r.Subscribe != nil && i >= 0 && i < len(f.channels):
		f.waiting--
		f.answer(&f.channels[i], r.Subscribe)
	case r.Push != nil:
		f.push(r.Push)
	}
}

// answer takes what was recovered, or begins at the server's position. A server that
// cannot recover says so, which counts as told and not as missing.
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

// push takes a message, or the end of a subscription, by which a server says that it
// has lost messages. The follower does not subscribe again.
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
