package hub

import (
	"context"
	"errors"
	"time"
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

// tellsAtOnce reports whether a join or a leave that the broker brings is told at once,
// and sees to it that others are told later. It runs under the lock of the channel.
func tellsAtOnce(c *channel, m *Message) bool {
	if m.Info == nil || m.Offset > 0 || !m.Kind.Known() {
		return true
	}
	if c.changes == nil {
		c.changes = &changes{}
	}
	if c.changes.atOnce(m.size() * numSubscribers(c.formats)) {
		return true
	}
	if c.changes.add(m) {
		time.AfterFunc(time.Until(c.changes.next()), func() { tellChanges(c) })
	}
	return false
}

// numSubscribers is how many use the formats.
func numSubscribers(formats []format) (n int) {
	for _, f := range formats {
		n += f.subscribers
	}
	return n
}

// tellChanges queues what a channel has to tell, unless the node has let go of it. It
// runs on a goroutine of its own, which the hub waits for.
func tellChanges(c *channel) {
	r := &c.hub.registry
	held := r.receiver(c.name)
	if held == nil {
		return
	}
	defer r.drains.Done()
	if held != c {
		return
	}
	c.mu.Lock()
	for _, m := range c.changes.take(numSubscribers(c.formats)) {
		c.push(m)
	}
	if len(c.changes.order) > 0 {
		time.AfterFunc(changesEvery, func() { tellChanges(c) })
	}
	claimed := c.claimDrain()
	c.mu.Unlock()
	c.startDrain(claimed)
}
