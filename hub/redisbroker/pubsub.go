package redisbroker

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"belfry/hub"
)

const (
	// retryEvery is how long a node waits between tries to reach Redis.
	retryEvery = 250 * time.Millisecond
	// subscribeBatch is how many channels one SUBSCRIBE names.
	subscribeBatch = 500
)

// listener keeps the connection over which Redis sends what nodes and publishers
// say.
type listener struct {
	*client
	handler   hub.Handler
	wanted    interests
	onConnect func() // called for each new connection
}

// newListener returns a listener that has to be given a handler.
func newListener(c *client) *listener { return &listener{client: c, wanted: newInterests()} }

// stayConnected makes one connection after the other. The first fault after a
// connection is a warning, and so is each new reason why there is none; the rest is
// noise.
func (l *listener) stayConnected(ctx context.Context) {
	defer close(l.voucher.stopped)
	for ctx.Err() == nil {
		connected, err := l.listen(ctx)
		if ctx.Err() != nil {
			break
		}
		level := slog.LevelDebug
		if l.refusals.isNew(keyOf(err)) || connected {
			level = slog.LevelWarn
		}
		attrs := []any{"err", err}
		if mend := mendOf(err); mend != "" {
			attrs = append(attrs, "mend", mend)
		}
		l.logger.Log(ctx, level, "no Redis, trying again", attrs...)
		pause(ctx, retryEvery)
	}
}

// listen lives as long as one Pub/Sub connection, and reports whether there was
// one and why it ended. go-redis would reconnect by itself without telling; here
// the connection is given up at the first fault, so that the broker knows when
// there was a gap.
func (l *listener) listen(ctx context.Context) (connected bool, err error) {
	lower(l.voucher.moves) // what was made before leads no further than what is made now
	asking := l.voucher.dial()
	defer asking.Close()
	asked := asking.Conn()
	defer asked.Close()
	if _, err := l.voucher.settle(ctx, asked); err != nil { // each channel is repaired anyway
		l.voucher.unreached(err)
		return false, fmt.Errorf("connect: %w", err)
	}
	ps := l.redis.Subscribe(ctx)
	if err := l.begin(ctx, ps); err != nil {
		_ = ps.Close()
		return false, err
	}
	l.wanted.connect()
	l.onConnect()
	l.logger.Info("connected to Redis")
	var w waiting
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.ask(ctx, ps) })
	g.Go(func() error { return l.receive(ctx, ps, &w) })
	g.Go(func() error { return l.watch(ctx, ps, &w) })
	g.Go(func() error { return l.voucher.watch(ctx, asked, l.begun) })
	g.Go(func() error { return l.voucher.tellOthers(ctx, l.redis) })
	g.Go(func() error { return l.voucher.follow(ctx) })
	g.Go(func() error { <-ctx.Done(); return ps.Close() }) // ends a receive under way
	err = g.Wait()
	l.wanted.disconnect()
	return true, err
}

// begin hears what nodes send one another over a new connection, and looks what Redis this
// is. Both end when connections lead to another.
func (l *listener) begin(ctx context.Context, ps *redis.PubSub) error {
	ctx, stop := l.voucher.untilMoved(ctx)
	defer stop()
	if err := l.hearNodes(ctx, ps); err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	l.examine(ctx)
	return nil
}

// begun has every channel repaired, because a generation has begun: its subscribers
// are told.
func (l *listener) begun() { l.handler.HandleDoubt(l.wanted.all()) }

// ask sends what the node wants to subscribe to and to let go of, many
// channels in one command.
func (l *listener) ask(ctx context.Context, ps *redis.PubSub) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.wanted.wake:
		}
		for {
			subscribe, unsubscribe := l.wanted.work(subscribeBatch)
			if len(subscribe)+len(unsubscribe) == 0 {
				break
			}
			if err := l.sendInterests(ctx, ps, subscribe, unsubscribe); err != nil {
				return err
			}
		}
	}
}

// sendInterests tells Redis of channels, first of those to let go of.
func (l *listener) sendInterests(ctx context.Context, ps *redis.PubSub, subscribe, unsubscribe []string) error {
	if len(unsubscribe) > 0 {
		if err := ps.Unsubscribe(ctx, l.topics(unsubscribe)...); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
	}
	if len(subscribe) > 0 {
		if err := ps.Subscribe(ctx, l.topics(subscribe)...); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return nil
}

// topics are the Pub/Sub channels of channels.
func (l *listener) topics(channels []string) []string {
	topics := make([]string, len(channels))
	for i, c := range channels {
		topics[i] = l.keys.topic(c)
	}
	return topics
}

// waiting tells watch for how long receive has been waiting for Redis.
type waiting struct {
	since atomic.Pointer[time.Time] // nil while a reply is being handled
}

// begin and end surround each wait for a reply; long is how long one has lasted so
// far, or zero.
func (w *waiting) begin() { now := time.Now(); w.since.Store(&now) }
func (w *waiting) end()   { w.since.Store(nil) }

func (w *waiting) long() time.Duration {
	if since := w.since.Load(); since != nil {
		return time.Since(*since)
	}
	return 0
}

// receive hands over what Redis sends. It reads without a deadline: one that
// passes in the middle of a reply would make go-redis take the rest of it for
// the next.
func (l *listener) receive(ctx context.Context, ps *redis.PubSub, w *waiting) error {
	for {
		w.begin()
		reply, err := ps.Receive(ctx)
		w.end()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		}
		l.handle(reply)
	}
}

// watch pings a connection that is quiet, and gives up one that stays quiet: by the
// default timeout after one second and after three. The largest message has to arrive
// within the limit: 1 MiB in three seconds is 3 Mbit/s.
func (l *listener) watch(ctx context.Context, ps *redis.PubSub, w *waiting) error {
	silence, limit := l.timeout*2/3, 2*l.timeout
	tick := time.NewTicker(silence / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		switch d := w.long(); {
		case d > limit:
			return fmt.Errorf("nothing came for %s, not even answers to pings", limit)
		case d > silence:
			if err := ps.Ping(ctx); err != nil {
				return fmt.Errorf("ping: %w", err)
			}
		}
	}
}

// handle passes on what Redis has sent: a message of a channel, a signal of a node,
// or that a channel is subscribed to, before which messages may have been missed.
func (l *listener) handle(reply any) {
	switch r := reply.(type) {
	case *redis.Message:
		channel, ok := l.keys.channel(r.Channel)
		if !ok {
			l.hear(r)
			return
		}
		if !l.voucher.hearMessage(r.Payload) {
			return // it comes from a Redis that was left; channels are repaired with the next one
		}
		m, err := parsePublished([]byte(r.Payload))
		if err != nil {
			l.unreadable("message", channel, err)
			l.handler.HandleDoubt([]string{channel}) // it may have been one that has a position
			return
		}
		l.handler.HandleMessage(channel, m)
	case *redis.Subscription:
		channel, ok := l.keys.channel(r.Channel)
		if ok && r.Kind == "subscribe" && l.wanted.confirm(channel) {
			l.handler.HandleGap([]string{channel})
		}
	}
}

// hear takes what nodes send one another.
func (l *listener) hear(r *redis.Message) {
	if r.Channel == l.keys.counts() {
		_ = l.voucher.hear(r.Payload) // a loss of what nobody has seen
		return
	}
	l.handler.HandleSignal([]byte(r.Payload))
}

// parsePublished reads what the script sends to the nodes: offset and epoch, a
// line end, and the envelope.
func parsePublished(payload []byte) (*hub.Message, error) {
	head, rest, ok := bytes.Cut(payload, []byte("\n"))
	offset, epoch, two := bytes.Cut(head, []byte(" "))
	if !ok || !two {
		return nil, fmt.Errorf("%w: offset and epoch are expected first", errEnvelope)
	}
	m, err := parseEnvelope(rest)
	if err != nil {
		return nil, err
	}
	m.Epoch, m.Accepted = string(epoch), time.Now()
	if m.Offset, err = strconv.ParseUint(string(offset), 10, 64); err != nil {
		return nil, fmt.Errorf("%w: offset: %w", errEnvelope, err)
	}
	return m, deliverable(m)
}
