package hub

import "context"

// Presence returns who is on a channel, in no order. Errors wrap
// [ErrChannelName], [ErrUnknownChannel] or [ErrUnavailable]; whether the rule of
// the channel has presence is for the caller to check.
func (h *Hub) Presence(ctx context.Context, channel string) ([]ClientInfo, error) {
	if _, err := h.Rule(channel); err != nil {
		return nil, err
	}
	return h.presence.Presence(ctx, channel)
}

// PresenceStats counts who is on a channel. Errors are those of Presence.
func (h *Hub) PresenceStats(ctx context.Context, channel string) (PresenceStats, error) {
	if _, err := h.Rule(channel); err != nil {
		return PresenceStats{}, err
	}
	return h.presence.PresenceStats(ctx, channel)
}

// enter makes the subscriber present on the channel, if the rule says so. When
// the broker is away it becomes present with the broker's return.
func (s *Subscription) enter(ctx context.Context, client *ClientInfo) {
	if client == nil || !s.channel.rule.Presence {
		return
	}
	s.present = client.Client
	if err := s.channel.hub.presence.Join(ctx, s.channel.name, *client); err != nil {
		s.channel.hub.logger.Debug("presence waits for the broker", "channel", s.channel.name, "err", err)
	}
}
