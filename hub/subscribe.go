package hub

import (
	"context"
	"fmt"
)

// SubscribeOptions are a subscriber's wishes. The zero value has none.
type SubscribeOptions struct {
	// Rule is that of the channel, as [Hub.Rule] returned it. Nil: the hub looks
	// for it.
	Rule *Rule
	// Recover is the position of the last message that the subscriber has.
	// What came after it is in [Subscription.Missed]. Without an epoch it is one of
	// the epoch that the channel is in: so says who has only an offset at hand.
	Recover *Position
	// RecoverBytes is about how many bytes of messages are recovered at once, as
	// they are kept in memory; one message may always be. When there is more,
	// [Subscription.More] says so. Zero: no bound.
	RecoverBytes int
	// Held bounds what may wait for [Subscription.Start], together with others that
	// have the same. Nil: a bound of its own.
	Held *Held
	// Client is who subscribes, for channels with presence; its Client is the
	// subscriber's ID. Nil: somebody whom nobody is told of.
	Client *ClientInfo
	// User is whose the subscriber is; see [Message.ExcludeUser].
	User string
}

// Subscribe adds a subscriber to a channel. Deliveries are held until
// [Subscription.Start]; the caller must Start or Cancel what it gets. When the
// broker is away the subscription is made all the same, without a position, and
// comes alive with the broker; but not one that recovers. Errors wrap
// [ErrChannelName], [ErrUnknownChannel] or [ErrUnavailable], or are a [LimitError]
// when the node has too many channels.
func (h *Hub) Subscribe(ctx context.Context, channel string, s Subscriber, e Encoder, o SubscribeOptions) (*Subscription, error) {
	rule, err := h.ruleOf(channel, o.Rule)
	if err != nil {
		return nil, err
	}
	c, err := h.acquire(ctx, channel, rule)
	if err != nil {
		return nil, err
	}
	if o.Recover != nil {
		err = c.catchUp(ctx, *o.Recover)
	}
	if err != nil {
		h.registry.release(c)
		return nil, err
	}
	sub := &Subscription{subscriber: s, channel: c, format: c.useFormat(e), section: c.seat(), hold: &hold{held: o.Held}, user: o.User}
	sub.section.join(sub)
	if err := sub.recover(ctx, o); err != nil {
		sub.Cancel()
		if err == errOtherEpoch {
			return h.Subscribe(ctx, channel, s, e, o)
		}
		return nil, err
	}
	if !sub.More {
		sub.enter(ctx, o.Client)
	}
	return sub, nil
}

// acquire returns the channel after the broker was asked for it, and holds it
// until release.
func (h *Hub) acquire(ctx context.Context, name string, rule *Rule) (*channel, error) {
	c, first, dropped, err := h.registry.retain(name, func() *channel { return newChannel(h, name, rule) })
	if err != nil {
		return nil, err
	}
	h.unsubscribe(dropped)
	if first {
		// Others may wait for this call, so it outlives the one who made it.
		c.open(context.WithoutCancel(ctx))
		close(c.ready)
	}
	select {
	case <-c.ready:
		return c, nil // also when the caller's time is over: it is done
	default:
	}
	select {
	case <-c.ready:
		return c, nil
	case <-ctx.Done():
		h.registry.release(c)
		return nil, fmt.Errorf("%w: subscribe to %q: %w", ErrUnavailable, name, ctx.Err())
	}
}

// open asks the broker for the channel's messages.
func (c *channel) open(ctx context.Context) {
	if err := c.hub.broker.Subscribe(ctx, c.name); err != nil {
		c.hub.logger.Debug("channel waits for the broker", "channel", c.name, "err", err)
		return
	}
	// An error leaves the position unknown, and the next subscriber asks again.
	_ = c.findPosition(ctx)
}

// findPosition finds out where the history ends, unless that is known or there is
// none.
func (c *channel) findPosition(ctx context.Context) error {
	if !c.rule.History.on() || c.lastPosition().Epoch != "" {
		return nil
	}
	if err := c.beginReading(ctx); err != nil {
		return err
	}
	defer c.endReading()
	if c.lastPosition().Epoch != "" {
		return nil
	}
	positions, err := c.hub.history.Positions(ctx, []string{c.name}, []Position{{}})
	if err != nil {
		return fmt.Errorf("subscribe to %q: %w", c.name, err)
	}
	c.startFrom(positions[0])
	return nil
}
