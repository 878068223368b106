package hub

import (
	"context"
	"encoding/json"
	"strconv"
	"time"
)

// DateChannel is the channel on which the date is struck, once a second, as a
// JSON string such as "Sat, 29 Feb 2020 12:00:00 GMT".
const DateChannel = "date"

// dateLayout is how HTTP writes dates: the preferred format of RFC 9110, section
// 5.6.7.
const dateLayout = "Mon, 02 Jan 2006 15:04:05 GMT"

const (
	// tickWait is how long a tick may take through the broker before the node
	// strikes it for its own subscribers.
	tickWait = 400 * time.Millisecond
	// tickTTL is how long the cluster remembers that a second was struck. When
	// the clocks of the nodes are further apart than that, each second is
	// published more than once, and the channels drop the later ones.
	tickTTL = time.Minute
	// tickStop is how long no newer tick has to come until one of an earlier
	// second is taken. It is longer than a node that is busy, or that strikes
	// without the broker, is ever late.
	tickStop = 2500 * time.Millisecond
)

// strike publishes each second's tick until the context ends. Every node
// does, under an idempotency key that is the second, so the cluster sees each
// tick once without electing anybody.
//
// The date is that of the node whose clock is furthest ahead, for all. When that
// node goes, or the clock of a single node is set back, the date stands still
// for three seconds at most and goes on from the earlier second.
func (h *Hub) strike(ctx context.Context) {
	timer := time.NewTimer(untilNextSecond(h.now()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			h.strikeOnce(ctx, h.now())
			timer.Reset(untilNextSecond(h.now()))
		}
	}
}

// strikeOnce publishes one tick, and delivers it to the node's own subscribers
// when it cannot be published or the broker does not bring it in time: publishing
// may work again before the subscriptions do. So the clock never stops. A tick
// that the broker has brought, or brings later, is dropped by the channel.
func (h *Hub) strikeOnce(ctx context.Context, now time.Time) {
	m := tickMessage(now)
	ctx, cancel := context.WithTimeout(ctx, tickWait)
	defer cancel()
	key := strconv.FormatInt(m.Tick, 10)
	if _, err := h.Publish(ctx, DateChannel, m, PublishOptions{IdempotencyKey: key, IdempotencyTTL: tickTTL}); err != nil {
		h.logger.Debug("struck the second without the broker", "err", err)
	} else {
		<-ctx.Done()
	}
	h.HandleMessage(DateChannel, m)
}

func tickMessage(now time.Time) *Message {
	now = now.Truncate(time.Second).UTC()
	data, _ := json.Marshal(now.Format(dateLayout))
	return &Message{Data: data, Time: now.UnixMilli(), Tick: now.Unix()}
}

func untilNextSecond(now time.Time) time.Duration {
	return now.Truncate(time.Second).Add(time.Second).Sub(now)
}
