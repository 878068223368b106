package hub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

const (
	// retryEvery is how long a node waits between tries to reach Redis.
	retryEvery = 250 * time.Millisecond
	// silence is how long the Pub/Sub connection may be quiet before Redis is
	// asked whether it is still there, and how long it may take to answer.
	silence = time.Second
	// subscribeBatch is how many channels one SUBSCRIBE names.
	subscribeBatch = 500
)

// Run implements [Broker]: it keeps one Pub/Sub connection alive.
func (b *RedisBroker) Run(ctx context.Context) error {
	defer b.client.Close()
	for ctx.Err() == nil {
		err := b.listen(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			b.logger.Debug("redis pub/sub", "err", err)
		}
		pause(ctx, retryEvery)
	}
	return nil
}

// pause waits, or returns at once when the context ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// listen lives as long as one Pub/Sub connection. go-redis would reconnect by
// itself without telling; here the connection is given up at the first fault,
// so that the broker knows when there was a gap.
func (b *RedisBroker) listen(ctx context.Context) error {
	if err := b.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	ps := b.client.Subscribe(ctx)
	b.wanted.connect()
	b.logger.Info("connected to Redis")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.ask(ctx, ps) })
	g.Go(func() error { return b.receive(ctx, ps) })
	g.Go(func() error { <-ctx.Done(); return ps.Close() }) // ends a receive under way
	err := g.Wait()
	b.wanted.disconnect()
	if err != nil && !errors.Is(err, context.Canceled) {
		b.logger.Warn("lost Redis, trying again", "err", err)
	}
	return err
}

// ask sends what the node wants to subscribe to and to let go of, many
// channels in one command.
func (b *RedisBroker) ask(ctx context.Context, ps *redis.PubSub) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.wanted.wake:
		}
		for {
			subscribe, unsubscribe := b.wanted.work(subscribeBatch)
			if len(subscribe)+len(unsubscribe) == 0 {
				break
			}
			if err := b.send(ctx, ps, subscribe, unsubscribe); err != nil {
				return err
			}
		}
	}
}

func (b *RedisBroker) send(ctx context.Context, ps *redis.PubSub, subscribe, unsubscribe []string) error {
	if len(unsubscribe) > 0 {
		if err := ps.Unsubscribe(ctx, b.topics(unsubscribe)...); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
	}
	if len(subscribe) > 0 {
		if err := ps.Subscribe(ctx, b.topics(subscribe)...); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return nil
}

func (b *RedisBroker) topics(channels []string) []string {
	topics := make([]string, len(channels))
	for i, c := range channels {
		topics[i] = b.topic(c)
	}
	return topics
}

// receive hands over what Redis sends. A quiet connection is pinged; one that
// stays quiet is given up.
func (b *RedisBroker) receive(ctx context.Context, ps *redis.PubSub) error {
	asked := false
	for {
		reply, err := ps.ReceiveTimeout(ctx, silence)
		var timeout net.Error
		switch {
		case err == nil:
			asked = false
			b.handle(reply)
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, &timeout) || !timeout.Timeout():
			return fmt.Errorf("receive: %w", err)
		case asked:
			return fmt.Errorf("no answer to a ping within %s", silence)
		default:
			asked = true
			if err := ps.Ping(ctx); err != nil {
				return fmt.Errorf("ping: %w", err)
			}
		}
	}
}

func (b *RedisBroker) handle(reply any) {
	switch r := reply.(type) {
	case *redis.Message:
		channel := b.channel(r.Channel)
		m, err := parseEnvelope([]byte(r.Payload))
		if err != nil {
			b.logger.Warn("dropped what is no message of ours", "channel", channel, "err", err)
			return
		}
		b.handler.HandleMessage(channel, m)
	case *redis.Subscription:
		if r.Kind == "subscribe" {
			b.wanted.confirm(b.channel(r.Channel))
		}
	}
}

// channel is the inverse of topic.
func (b *RedisBroker) channel(topic string) string {
	return strings.TrimSuffix(strings.TrimPrefix(topic, b.prefix+"{"), "}")
}
