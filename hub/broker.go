package hub

import (
	"context"
	"errors"
	"time"
)

// ErrUnavailable is wrapped by the errors of a broker that cannot be reached
// or refuses to work. Nothing was accepted, and the call may be repeated.
var ErrUnavailable = errors.New("broker unavailable")

// DefaultIdempotencyTTL is how long an idempotency key is remembered.
const DefaultIdempotencyTTL = 5 * time.Minute

// Broker carries messages between nodes. It never talks to subscribers.
//
// Messages of one channel reach every attached handler in the order in which
// the broker accepted them, on one goroutine at a time per channel, the
// publisher's own node included. Its methods are safe for several goroutines.
type Broker interface {
	// Attach tells where messages go. It is called once, before all else.
	Attach(Handler)
	// Run works until the context ends and returns nil then.
	Run(context.Context) error
	// Publish returns once the broker has accepted the message. It takes at
	// most two seconds and returns an error wrapping ErrUnavailable when the
	// broker is away.
	Publish(ctx context.Context, channel string, m *Message, o PublishOptions) (PublishResult, error)
	// Subscribe asks for a channel's messages, until Unsubscribe was called as
	// often as Subscribe. When it returns nil every message accepted from now
	// on will come. It takes at most two seconds; after an error the channel
	// is asked for again when the broker comes back.
	Subscribe(ctx context.Context, channel string) error
	// Unsubscribe takes back one Subscribe. It does not block.
	Unsubscribe(channel string)
	// Ready returns nil when publishing and subscribing work, and otherwise
	// an error wrapping ErrUnavailable with the reason. It takes at most two
	// seconds.
	Ready(context.Context) error
}

// Handler is the hub as a broker sees it.
type Handler interface {
	// HandleMessage takes a message of a channel. It blocks while the
	// channel's queue is full.
	HandleMessage(channel string, m *Message)
}

// PublishOptions are the publisher's wishes. The zero value has none.
type PublishOptions struct {
	// IdempotencyKey makes a second publish to the same channel under the same
	// key do nothing and succeed. Empty: none.
	IdempotencyKey string
	// IdempotencyTTL is how long the key is remembered, at least a second.
	// Zero: DefaultIdempotencyTTL.
	IdempotencyTTL time.Duration
}

func (o PublishOptions) ttl() time.Duration {
	if o.IdempotencyTTL == 0 {
		return DefaultIdempotencyTTL
	}
	return max(o.IdempotencyTTL, time.Second)
}

// PublishResult tells what became of a publish.
type PublishResult struct {
	Position  Position // zero for a channel without history
	Duplicate bool     // the idempotency key was known; nothing was delivered
}
