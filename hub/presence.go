package hub

import "context"

// PresenceStore knows which clients are on which channels, over all nodes. A
// client whose node has died without a word is forgotten within the store's
// time to live, and the others are told that it has left. The errors are those of [Broker].Publish.
type PresenceStore interface {
	// Join adds a client of this node to a channel, and brings a message of
	// [KindJoin], which excludes the client, to the channel's handlers. One that
	// is there already is there with what this Join says, and nobody is told. It
	// takes at most two seconds. The store remembers the client also when it
	// returns an error, and adds it when the broker comes back.
	Join(ctx context.Context, channel string, c ClientInfo) error
	// Leave takes back one Join. When all are taken back the client is gone, and
	// a message of [KindLeave], which excludes it, goes to the channel's handlers.
	// It does not block.
	Leave(channel, client string)
	// Presence returns who is on a channel, in no order.
	Presence(ctx context.Context, channel string) ([]ClientInfo, error)
	// PresenceStats counts them, for less than Presence costs.
	PresenceStats(ctx context.Context, channel string) (PresenceStats, error)
}

// PresenceStats count who is on a channel.
type PresenceStats struct {
	Clients int // sessions
	Users   int // distinct users; all who are anonymous count as one
}

// Presence returns who is on a channel, in no order. Errors wrap
// [ErrChannelName], [ErrUnknownChannel] or [ErrUnavailable]; whether the rule of
// the channel has presence is for the caller to check.
func (h *Hub) Presence(ctx context.Context, channel string) ([]ClientInfo, error) {
	if _, err := h.Rule(channel); err != nil {
		return nil, err
	}
	return h.broker.Presence(ctx, channel)
}

// PresenceStats counts who is on a channel. Errors are those of Presence.
func (h *Hub) PresenceStats(ctx context.Context, channel string) (PresenceStats, error) {
	if _, err := h.Rule(channel); err != nil {
		return PresenceStats{}, err
	}
	return h.broker.PresenceStats(ctx, channel)
}

// enter makes the subscriber present on the channel, if the rule says so. When
// the broker is away it becomes present with the broker's return.
func (s *Subscription) enter(ctx context.Context, client *ClientInfo) {
	if client == nil || !s.channel.rule.Presence {
		return
	}
	s.present = client.Client
	if err := s.channel.hub.broker.Join(ctx, s.channel.name, *client); err != nil {
		s.channel.hub.logger.Debug("presence waits for the broker", "channel", s.channel.name, "err", err)
	}
}
