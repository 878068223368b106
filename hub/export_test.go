package hub

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// Limits of the broker's publishes.
const (
	PublishLanes  = publishLanes
	PublishPlaces = publishPlaces
	PublishBatch  = publishBatch
)

// AddHook has a hook see what the broker asks of Redis.
func (b *RedisBroker) AddHook(h redis.Hook) { b.client.AddHook(h) }

// PublishArgs is the command that publishes a message by the script.
func (b *RedisBroker) PublishArgs(channel string, m *Message, o PublishOptions) []any {
	return b.scriptArgs(channel, m, o)
}

// Queued is how many publishes wait for the next batch of a channel's lane.
func (b *RedisBroker) Queued(channel string) int {
	l := b.lanes.of(channel)
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// CheckEvery changes how often positions are compared, before the hub runs.
func (h *Hub) CheckEvery(d time.Duration) { h.every = d }

// PublishSource is the script.
var PublishSource = publishSource

// SetPublishWait gives publishers more time. It is called before the first.
func (b *RedisBroker) SetPublishWait(d time.Duration) { b.publishWait = d }
