package redisbroker

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Signal implements [hub.Signaler]. A node without a Pub/Sub connection is not reached.
func (b *Broker) Signal(ctx context.Context, node string, data []byte) (reached int, err error) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	topic := b.keys.allNodes()
	if node != "" {
		topic = b.keys.oneNode(node)
	}
	n, err := b.client.Publish(ctx, topic, data).Result()
	return int(n), unavailable("signal", err)
}

// listenToNodes subscribes a new Pub/Sub connection to what nodes send one
// another, and returns when Redis has confirmed it: a node that is ready is
// reached.
func (b *Broker) listenToNodes(ctx context.Context, ps *redis.PubSub) error {
	topics := []string{b.keys.allNodes(), b.keys.oneNode(b.handler.Node())}
	if err := ps.Subscribe(ctx, topics...); err != nil {
		return fmt.Errorf("subscribe to signals: %w", err)
	}
	for confirmed := 0; confirmed < len(topics); {
		reply, err := ps.ReceiveTimeout(ctx, brokerTimeout)
		if err != nil {
			return fmt.Errorf("subscribe to signals: %w", err)
		}
		if _, ok := reply.(*redis.Subscription); ok {
			confirmed++
			continue
		}
		b.handle(reply)
	}
	return nil
}
