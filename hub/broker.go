package hub

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"
)

// DefaultIdempotencyTTL is how long an idempotency key is remembered.
const DefaultIdempotencyTTL = 5 * time.Minute

// Broker carries messages between nodes. It never talks to subscribers.
//
// Messages of one channel reach every attached handler in the order in which
// the broker accepted them, on one goroutine at a time per channel, the
// publisher's own node included. Its methods are safe for several goroutines.
//
// What channels remember, who is on them and what nodes tell one another may come
// from the same system or from others: a broker that is a [HistoryStore], a
// [PresenceStore], a [Signaler] or a [NoteStore] is taken for that, too; see
// [Options].
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
	// Ready returns nil when the broker answers and brings messages, and
	// otherwise an error wrapping ErrUnavailable with the reason. Whether it
	// takes messages, only a publish tells. It takes at most two seconds.
	Ready(context.Context) error
}

// Handler is the hub as a broker sees it.
type Handler interface {
	// Node is the ID of this node.
	Node() string
	// HandleMessage takes a message of a channel. It blocks while the
	// channel's queue is full.
	HandleMessage(channel string, m *Message)
	// HandleGap tells that messages of channels may have been missed up to
	// now, because the broker had lost its connection. It does not block.
	HandleGap(channels []string)
	// HandleDoubt has the positions of channels compared, because they may be others
	// than they were. Channels without a history have missed nothing. It does not block.
	HandleDoubt(channels []string)
	// HandleSignal takes what a node has sent by Signal. It does not block.
	HandleSignal(data []byte)
}

// PublishOptions are the publisher's wishes. The zero value has none.
type PublishOptions struct {
	// Rule is that of the channel, as [Hub.Rule] returned it. Nil: the hub looks
	// for it. Brokers do not look at it.
	Rule *Rule
	// IdempotencyKey makes a second publish to the same channel under the same
	// key do nothing and succeed. Empty: none.
	IdempotencyKey string
	// IdempotencyTTL is how long the key is remembered, at least a second.
	// Zero: DefaultIdempotencyTTL, which the hub writes out for the broker.
	IdempotencyTTL time.Duration
	// SkipHistory keeps the message out of the channel's history.
	SkipHistory bool
	// History bounds the history that the message becomes part of. A Size of
	// zero: it gets no position. The hub sets it by the channel's rule, both
	// bounds.
	History History
	// Seen is the channel's last position that the node has seen. A history
	// that ends before that has lost its end, and so begins a new epoch. Zero:
	// none is known. The hub sets it.
	Seen Position
}

// complete returns the options with every default written out.
func (o PublishOptions) complete() PublishOptions {
	if o.IdempotencyTTL == 0 {
		o.IdempotencyTTL = DefaultIdempotencyTTL
	}
	o.IdempotencyTTL = max(o.IdempotencyTTL, time.Second)
	return o
}

// HistoryOptions say what of a history to read. The zero value reads nothing but
// the position.
type HistoryOptions struct {
	// Since leaves out messages up to this one. Nil: from the oldest.
	Since *Position
	// Limit is how many messages at most, counted from where reading starts.
	// Negative: all there are.
	Limit int
	// Bytes is about how many bytes of messages at most, as they are kept in
	// memory, counted from where reading starts; one message may always be read.
	// Zero or negative: no bound.
	Bytes int
	// Reverse reads from the newest to the oldest, and with Since from the
	// message before it.
	Reverse bool
	// TTL leaves out messages that are older. Zero: leaves out none.
	TTL time.Duration
}

// HistoryResult is what there is of a history. Whoever has asked for all that comes
// after a position has not got it, for want of Bytes, when the last of the Messages
// is not at the Position.
type HistoryResult struct {
	Messages []*Message
	Position Position // of the newest message, also when it was not asked for
}

// PublishResult tells what became of a publish.
type PublishResult struct {
	Position  Position // zero for a channel without history
	Duplicate bool     // the idempotency key was known; nothing was delivered
}

// NewEpoch names a new run of numbering, for brokers. It is 40 bits, which come for
// each publish and so have to be cheap; nobody gains anything by guessing them.
func NewEpoch() string { return epochText(rand.Uint64()) }

// epochText is the name of an epoch, in 8 characters, that has a number; numbers that
// differ in their last 40 bits have different ones.
func epochText(n uint64) string { return strconv.FormatUint(1<<40|n&(1<<40-1), 32)[1:] }
