package redisbroker

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// allNodes is the Pub/Sub channel that every node listens to. No channel's topic
// is like it or like that of a node, because those have a brace behind the prefix.
func (b *Broker) allNodes() string { return b.prefix + "nodes" }

// oneNode is the Pub/Sub channel of a single node.
func (b *Broker) oneNode(node string) string { return b.prefix + "node:" + node }

// isSignals reports whether a Pub/Sub channel that this node listens to brings
// signals, and not the messages of a channel.
func (b *Broker) isSignals(topic string) bool { return !strings.HasPrefix(topic, b.prefix+"{") }

// Signal implements [hub.Signaler]. A node without a Pub/Sub connection is not reached.
func (b *Broker) Signal(ctx context.Context, node string, data []byte) (reached int, err error) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	topic := b.allNodes()
	if node != "" {
		topic = b.oneNode(node)
	}
	n, err := b.client.Publish(ctx, topic, data).Result()
	return int(n), unavailable("signal", err)
}

// listenToNodes subscribes a new Pub/Sub connection to what nodes send one
// another, and returns when Redis has confirmed it: a node that is ready is
// reached.
func (b *Broker) listenToNodes(ctx context.Context, ps *redis.PubSub) error {
	topics := []string{b.allNodes(), b.oneNode(b.handler.Node())}
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
