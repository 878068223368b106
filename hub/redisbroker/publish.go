package redisbroker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// publisher hands messages to Redis.
type publisher struct {
	*client
	lanes *lanes
	wait  time.Duration // how long a publisher waits: the timeout, but in tests that hold publishes back
}

// newPublisher returns a publisher, which works until its lanes are stopped.
func newPublisher(c *client) *publisher {
	return &publisher{client: c, lanes: newLanes(c.redis), wait: c.timeout}
}

// Publish implements [hub.Broker]. Publishes that are in flight at the same time
// share round trips. A message whose context ended while it waited for its turn
// is not sent.
func (p *publisher) Publish(ctx context.Context, channel string, m *hub.Message, o hub.PublishOptions) (hub.PublishResult, error) {
	c := p.newPublishing(ctx, channel, m, o)
	if err := p.lanes.of(channel).publish(ctx, c); err != nil {
		return hub.PublishResult{}, unavailable("publish", err)
	}
	r, err := parsePublishReply(c.command)
	return r, unavailable("publish", err)
}

// publishing is one publish on its way to Redis.
type publishing struct {
	command  *redis.Cmd
	size     int           // bytes of the message
	deadline time.Time     // when its publisher goes away
	answered chan struct{} // closed when command has its reply or its error
}

// newPublishing makes the command that publishes a message: the script, or
// PUBLISH where there is neither a position nor a key to keep.
func (p *publisher) newPublishing(ctx context.Context, channel string, m *hub.Message, o hub.PublishOptions) *publishing {
	var args []any
	if o.IdempotencyKey == "" && o.History.Size == 0 {
		args = []any{"publish", p.keys.topic(channel), appendEnvelope([]byte("0 \n"), m)}
	} else {
		args = p.scriptArgs(channel, m, o)
	}
	return &publishing{
		command: redis.NewCmd(ctx, args...), size: len(m.Data),
		deadline: time.Now().Add(p.wait), answered: make(chan struct{}),
	}
}

// scriptArgs is the command that runs the script.
func (p *publisher) scriptArgs(channel string, m *hub.Message, o hub.PublishOptions) []any {
	topic, stream := p.keys.topic(channel), p.keys.stream(channel)
	once, ttl := stream, time.Duration(0)
	if o.IdempotencyKey != "" {
		once, ttl = p.keys.once(channel, o.IdempotencyKey), o.IdempotencyTTL
	}
	history := o.History.TTL
	return []any{
		"evalsha", publishScript.Hash(), 3, once, stream, p.keys.position(channel),
		ttl.Milliseconds(), topic, appendEnvelope(make([]byte, 0, len(m.Data)+64), m),
		o.History.Size, history.Milliseconds(), max(metaTTL, 2*history).Milliseconds(), hub.NewEpoch(),
		o.Seen.Epoch, o.Seen.Offset,
	}
}

// parsePublishReply reads what the script returns, or PUBLISH: how many nodes
// there are.
func parsePublishReply(reply *redis.Cmd) (r hub.PublishResult, err error) {
	if reply.Err() != nil {
		return r, reply.Err()
	}
	parts, scripted := reply.Val().([]any)
	if _, plain := reply.Val().(int64); plain {
		return r, nil
	}
	if !scripted || len(parts) != 3 {
		return r, fmt.Errorf("the script returned %v, three values are expected", reply.Val())
	}
	offset, _ := parts[1].(string)
	r.Duplicate = parts[0] == int64(0)
	r.Position.Epoch, _ = parts[2].(string)
	r.Position.Offset, err = strconv.ParseUint(offset, 10, 64)
	return r, err
}
