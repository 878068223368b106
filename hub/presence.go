package hub

import (
	"context"
	"errors"
)

// ErrPresenceSize is wrapped by the error for a channel on which there are so many
// that not even their names are within the bytes that were asked for.
var ErrPresenceSize = errors.New("too many are present to name them")

// Presence is who is on a channel, in no order.
type Presence struct {
	Clients []ClientInfo
	// WithoutInfo is of how many of them ConnInfo and ChanInfo are left out, because
	// they have more bytes than were asked for.
	WithoutInfo int
}

// nameSize is what a client has in an answer without its infos, in bytes, about: the
// client twice, the user, and the names of fields.
func (c *ClientInfo) nameSize() int { return PresenceName + 2*len(c.Client) + len(c.User) }

// PresenceName is what a client has in an answer at least, in bytes; see [NewPresence].
const PresenceName = 60

// NewPresence makes a presence of clients, whose slice it keeps, in about so many
// bytes: of all of them, but with the infos only of as many as there is room for. When
// there is none even for all names the error is [ErrPresenceSize]. Zero: no bound.
func NewPresence(clients []ClientInfo, bytes int) (Presence, error) {
	p := Presence{Clients: clients}
	if bytes <= 0 {
		return p, nil
	}
	for i := range clients {
		if bytes -= clients[i].nameSize(); bytes < 0 {
			return Presence{}, ErrPresenceSize
		}
	}
	for i := range clients {
		c := &clients[i]
		if size := len(c.ConnInfo) + len(c.ChanInfo); size <= bytes {
			bytes -= size
			continue
		}
		c.ConnInfo, c.ChanInfo = nil, nil
		p.WithoutInfo++
	}
	return p, nil
}

// Presence returns who is on a channel, in no order and in about so many bytes, as
// [NewPresence] does; zero: no bound. Errors wrap [ErrChannelName],
// [ErrUnknownChannel], [ErrUnavailable] or [ErrPresenceSize]; whether the rule of the
// channel has presence is for the caller to check.
func (h *Hub) Presence(ctx context.Context, channel string, bytes int) (Presence, error) {
	if _, err := h.Rule(channel); err != nil {
		return Presence{}, err
	}
	return h.presence.Presence(ctx, channel, bytes)
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
