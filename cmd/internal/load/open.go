package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"belfry/cmd/internal/centrifuge"
)

const (
	// dialing is how many connections are opened at a time.
	dialing = 32
	// stalledBuffer is the receive buffer in bytes of a connection that is going
	// to stop reading.
	stalledBuffer = 4096
)

// connect opens all connections.
func (r *run) connect(ctx context.Context) error {
	var opened atomic.Int64
	r.progress.set("connecting", "connections", int64(r.Subscribers), opened.Load)
	r.subscribers = make([]*subscriber, r.Subscribers)
	err := inParallel(ctx, dialing, r.Subscribers, func(ctx context.Context, i int) error {
		s, err := r.openSubscriber(ctx, i)
		if err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, r.Subscribers, err)
		}
		r.subscribers[i] = s
		opened.Add(1)
		return nil
	})
	if err != nil || r.idle() {
		return err
	}
	if err := r.openChurn(ctx); err != nil {
		return err
	}
	return r.openPublishers(ctx)
}

// openSubscriber opens the i-th subscriber's connection and starts its reader.
// The last ones are those that stall.
func (r *run) openSubscriber(ctx context.Context, i int) (*subscriber, error) {
	name := r.channelName(i % r.Channels)
	stall := i >= r.Subscribers-r.Stall
	var control controlFunc
	if stall {
		control = stalledSocket
	}
	carried, err := r.newCarried(name)
	if err != nil {
		return nil, err
	}
	netConn, early, err := r.openSocket(ctx, i, name, control)
	if err != nil {
		return nil, err
	}
	s := &subscriber{
		run: r, channel: i % r.Channels, finder: finder{prefix: r.prefix},
		sequences: make([]sequence, r.Publishers), ended: make(chan struct{}),
	}
	s.tally = &r.tallies[i%len(r.tallies)]
	if stall {
		s.stall, s.tally = true, &r.stalled[0]
	}
	s.conn = conn{Conn: netConn, listener: s, buf: make([]byte, r.bufferSize()), carried: carried}
	s.held = copy(s.buf, early)
	if err := s.subscribe(name); err != nil {
		s.drop()
		return nil, err
	}
	r.readers.Go(s.follow)
	return s, nil
}

// openSocket opens the i-th connection of all, and as a WebSocket if it is to be
// one. It has a deadline until opened is called.
func (r *run) openSocket(ctx context.Context, i int, channel string, control controlFunc) (c net.Conn, early []byte, err error) {
	u, err := r.socketURL(channel)
	if err != nil {
		return nil, nil, err
	}
	if !r.Transport.overHTTP() {
		return r.dialer.open(ctx, i, u, control)
	}
	if c, err = r.dialer.dial(ctx, i, control); err == nil {
		_ = c.SetDeadline(time.Now().Add(dialWait))
	}
	return c, nil, err
}

// opened takes the deadline away and handles what came early.
func (c *conn) opened() error {
	_ = c.SetDeadline(time.Time{})
	return c.scan()
}

// bufferSize is that of a connection's read buffer: many connections share the
// memory.
func (r *run) bufferSize() int {
	size := 16 << 10
	if r.Subscribers > 2500 {
		size = 4 << 10
	}
	return max(size, r.Size+512)
}

// subscribe says what there is to say and waits until the channel is had.
func (s *subscriber) subscribe(channel string) error {
	switch {
	case s.carried != nil:
		return s.openCarried()
	case s.run.Protocol == Raw:
		return s.opened()
	}
	if err := s.send(opText, centrifuge.Frame(connectCommand(), centrifuge.Command{ID: subscribeID, Subscribe: &centrifuge.SubscribeRequest{Channel: channel}})); err != nil {
		return err
	}
	for !s.state.subscribed {
		if err := errors.Join(s.read(), s.state.err); err != nil {
			return err
		}
	}
	return s.opened()
}
