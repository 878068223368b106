package load

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"sync/atomic"

	"belfry/cmd/internal/client"
)

// dialing is how many connections are closed at a time, and opened unless the options
// say otherwise.
const dialing = 32

// connect opens all connections: subscribers, those that join and leave, and
// publishers. What it has opened before an error is closed with the run.
func (r *run) connect(ctx context.Context) error {
	var opened atomic.Int64
	r.progress.set("connecting", "connections", int64(r.Subscribers), opened.Load)
	r.subscribers = make([]*subscriber, r.Subscribers)
	err := inParallel(ctx, cmp.Or(r.AtOnce, dialing), r.Subscribers, func(ctx context.Context, i int) error {
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
func (r *run) openSubscriber(ctx context.Context, i int) (_ *subscriber, err error) {
	channel, token, began := i%r.Channels, r.tokenOf(i), r.clock.now()
	s := newSubscriber(r.clock, r.Protocol, r.prefix, r.Publishers)
	s.channel, s.tally = channel, &r.tallies[i%len(r.tallies)]
	o := client.Opening{Number: i, Listener: s, Buffer: r.bufferSize()}
	if r.Protocol == Raw {
		o.Token = token
	}
	if i >= r.Subscribers-r.Stall {
		s.resume, s.tally, o.Control = r.resume, &r.stalled[0], stalledSocket
	}
	if o.URL, err = r.socketURL(r.channelName(channel)); err != nil {
		return nil, err
	}
	if r.acknowledger != nil {
		s.session = client.NewSession(r.Transport, o.URL, r.acknowledger)
		o.Session = s.session
	}
	if s.conn, err = r.dialer.Open(ctx, o); err != nil {
		return nil, err
	}
	if err := s.subscribe(r.channelName(channel), token); err != nil {
		s.conn.Drop()
		return nil, err
	}
	s.opened = r.clock.now() - began
	r.readers.Go(s.follow)
	return s, nil
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

// openChurn connects all that will join and leave.
func (r *run) openChurn(ctx context.Context) error {
	n := r.churners()
	r.churn = &churn{clock: r.clock, rate: r.Churn, members: make([]*churner, n)}
	return inParallel(ctx, dialing, n, func(ctx context.Context, i int) error {
		c, err := r.openChurner(ctx, i)
		if err != nil {
			return fmt.Errorf("connection %d of %d that join and leave: %w", i+1, n, err)
		}
		r.churn.members[i] = c
		return nil
	})
}

// openChurner opens the i-th connection that joins and leaves, and starts its
// reader. It is not subscribed yet.
func (r *run) openChurner(ctx context.Context, i int) (*churner, error) {
	name := r.channelName(i % r.Channels)
	u, err := r.socketURL(name)
	if err != nil {
		return nil, err
	}
	c := newChurner(r.clock, name, r.prefix, r.Publishers, period(r.Rate, r.Publishers, r.Channels))
	if c.conn, err = r.dialer.Open(ctx, client.Opening{URL: u, Number: r.Subscribers + i, Listener: c, Buffer: r.bufferSize()}); err != nil {
		return nil, err
	}
	if err := c.connect(r.tokenOf(r.Subscribers + i)); err != nil {
		c.conn.Drop()
		return nil, err
	}
	r.readers.Go(func() { _ = c.conn.ReceiveAll() }) // what is missing is counted
	return c, nil
}

// openPublishers opens what messages are sent over.
func (r *run) openPublishers(ctx context.Context) error {
	open := r.openSocketPath
	if r.PublishURL != "" {
		u, err := url.Parse(r.PublishURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%s: want a URL that begins with http:// or https://", r.PublishURL)
		}
		d, err := client.NewDialer(ctx, u, r.AllowRemote)
		if err != nil {
			return err
		}
		open = func(int) (path, error) { return r.openHTTPPath(ctx, d, u) }
	}
	for i := range r.Publishers {
		path, err := open(i)
		if err != nil {
			return fmt.Errorf("publisher %d of %d: %w", i+1, r.Publishers, err)
		}
		r.publishers = append(r.publishers, newPublisher(r.clock, i, r.Publishers, r.Channels, path))
	}
	return nil
}

// openHTTPPath opens a connection that calls the HTTP API.
func (r *run) openHTTPPath(ctx context.Context, d *client.Dialer, u *url.URL) (path, error) {
	conn, err := d.Dial(ctx, 0, nil)
	if err != nil {
		return nil, err
	}
	return newHTTPPath(conn, r.templates(func(channel, text string) []byte {
		return httpCall(u, r.APIKey, publication(channel, text))
	})), nil
}

// openSocketPath publishes over the connections of subscribers that are there. The
// path of the first publisher answers for what is refused.
func (r *run) openSocketPath(publisher int) (path, error) {
	made := func(channel, text string) []byte { return []byte(text) }
	if r.Protocol == Centrifuge {
		made = publishCommand
	}
	return newSocketPath(r.subscribers[:r.Channels], r.templates(made), publisher == 0, r.closeCodes), nil
}

// templates makes one for each channel; made returns what is sent for a message.
func (r *run) templates(made func(channel, text string) []byte) (all []template) {
	text := messageText(r.prefix, r.Size)
	for channel := range r.Channels {
		all = append(all, newTemplate(made(r.channelName(channel), text), text))
	}
	return all
}
