package redisbroker

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Signal implements [hub.Signaler]. A node without a Pub/Sub connection is not reached.
func (l *listener) Signal(ctx context.Context, node string, data []byte) (reached int, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	if err := l.voucher.unfit(); err != nil {
		return 0, fmt.Errorf("signal: %w", err)
	}
	topic := l.keys.allNodes()
	if node != "" {
		topic = l.keys.oneNode(node)
	}
	n, err := l.redis.Publish(ctx, topic, data).Result()
	return int(n), unavailable("signal", err)
}

// hearNodes subscribes a new Pub/Sub connection to what nodes send one
// another, and returns when Redis has confirmed it: a node that is ready is
// reached.
func (l *listener) hearNodes(ctx context.Context, ps *redis.PubSub) error {
	topics := []string{l.keys.allNodes(), l.keys.oneNode(l.handler.Node()), l.keys.counts()}
	if err := ps.Subscribe(ctx, topics...); err != nil {
		return fmt.Errorf("subscribe to signals: %w", err)
	}
	for confirmed := 0; confirmed < len(topics); {
		reply, err := ps.ReceiveTimeout(ctx, l.timeout)
		if err != nil {
			return fmt.Errorf("subscribe to signals: %w", err)
		}
		if _, ok := reply.(*redis.Subscription); ok {
			confirmed++
			continue
		}
		l.handle(reply)
	}
	return nil
}
