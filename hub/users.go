package hub

import "context"

// Connections of users are counted over all nodes by the means of presence, on channels
// that nobody can name, so that a node that dies is forgotten in the same way.

// connectionsOf is the channel on which a user's connections are present.
func connectionsOf(user string) string { return "\x00user:" + user }

// Connect notes a connection of a user, and returns how many the user has on all nodes,
// with this one. Each is taken back by Disconnect, also after an error, which wraps
// [ErrUnavailable] and says that the number is not known.
func (h *Hub) Connect(ctx context.Context, user, client string) (connections int, err error) {
	channel := connectionsOf(user)
	if err := h.presence.Join(ctx, channel, ClientInfo{User: user, Client: client}); err != nil {
		return 0, err
	}
	stats, err := h.presence.PresenceStats(ctx, channel)
	return stats.Clients, err
}

// Disconnect takes back one Connect. It does not block.
func (h *Hub) Disconnect(user, client string) { h.presence.Leave(connectionsOf(user), client) }
