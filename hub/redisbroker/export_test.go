package redisbroker

import (
	"context"
	"slices"

	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// Limits of the broker's publishes.
const (
	PublishLanes  = publishLanes
	PublishPlaces = publishPlaces
	PublishBatch  = publishBatch
	Exchanges     = exchanges
)

// AddHook has a hook see what the broker asks of Redis.
func (b *Broker) AddHook(h redis.Hook) { b.redis.AddHook(h) }

// PublishArgs is the command that publishes a message by publish.lua.
func (b *Broker) PublishArgs(channel string, m *hub.Message, o hub.PublishOptions) []any {
	c := &publishing{channel: channel, options: o, belief: b.voucher.footing.Load().belief, whole: true}
	args := b.keys.publishArgs(c)
	args[slices.Index(args, any(c))] = appendEnvelope(nil, m)
	return args
}

// Queued is how many publishes wait for the next batch of a channel's lane.
func (b *Broker) Queued(channel string) int {
	l := b.lanes.of(channel)
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// Poison is what somebody may have left in Redis as a message.
var Poison = poison

// PublishSource is the script.
var PublishSource = publishSource

// BeginSource is what scripts share.
var BeginSource = beginText

// SetPublishWait gives publishers more time. It is called before the first.
func (b *Broker) SetPublishWait(d time.Duration) { b.publisher.wait = d }

// Reached is how far the node knows that the counter has got.
func (b *Broker) Reached() uint64 { return b.voucher.footing.Load().belief.highest.Load() }

// SetIdle says for how long a connection may be quiet and still be used.
func (o *Options) SetIdle(d time.Duration) { o.idle = d }

// SetWitnessPatience says for how long a node that can vouch waits for those who may know
// better.
func (o *Options) SetWitnessPatience(d time.Duration) { o.witness = d }

// Unsent is an error of a connection over which nothing was sent.
func Unsent(err error) error { return unsentError{err} }

// Needs are the commands that a node asks for.
var Needs = keys{}.needs()

// Admit has a new connection wait until the node lets it be used.
func (b *Broker) Admit(ctx context.Context, c *redis.Conn) error { return b.voucher.admit(ctx, c) }
