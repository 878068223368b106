package hub

import "errors"

// ErrHoldFull is the reason of an eviction: more came before
// [Subscription.Start] than may wait for it.
var ErrHoldFull = errors.New("too much came before the subscription was started")

// Subscriber is anything the hub can send frames to. Its methods may be called
// from several goroutines.
type Subscriber interface {
	// ID names the subscriber in the cluster; see [Message.Exclude].
	ID() string
	// Deliver takes what one round of a channel brings, or returns why it
	// cannot, which evicts the subscriber. It runs under a lock of the hub:
	// it must not block and must not call the hub. It may keep the delivery's
	// slices and must not change them.
	Deliver(*Subscription, Delivery) error
	// Evict is called after Deliver returned an error, with that error, or with
	// [ErrHoldFull]. It runs outside every lock, once for each subscription that
	// was refused, which gets nothing more. The subscriber closes itself and
	// cancels its subscriptions; until it has done so, others of them may bring
	// deliveries. It may come just after the subscription was cancelled. It must
	// not block: others of the channel wait for it.
	Evict(why error)
}

// Loser is a [Subscriber] that wants to be told of messages that its channel has
// lost for good. One that is not goes on as if there had been nothing.
type Loser interface {
	// Lose is called outside every lock; it may cancel the subscription. It is called
	// between rounds, and in a channel without history while they go on.
	Lose(*Subscription)
}

// Delivery is what one round of a channel brings to one subscriber.
type Delivery struct {
	// Messages are in the order of the channel.
	Messages []*Message
	// Frames are the messages' frames in the subscriber's wire format, one
	// behind the other.
	Frames []byte

	ends []int // where each message's frame ends
	base int   // where Frames begin, counted as ends are
}

// Frame returns the part of Frames that is message i's. It is empty when the
// format has no frame for the message.
func (d Delivery) Frame(i int) []byte {
	start := d.base
	if i > 0 {
		start = d.ends[i-1]
	}
	return d.Frames[start-d.base : d.ends[i]-d.base]
}

// Encoder makes frames of one wire format. Subscribers whose encoders compare
// equal with == share their frames, so an Encoder must be comparable and hold
// nothing that belongs to one subscriber.
type Encoder interface {
	// AppendFrame appends the frame of a message to dst, header and all, and
	// returns the extended slice. It is called once per message and format.
	AppendFrame(dst []byte, channel string, m *Message) []byte
}
