package session

import (
	"context"

	"belfry/web/access"
	"belfry/web/fault"
)

// ErrConnections refuses a client because its user has enough of them.
var ErrConnections = fault.New(fault.TooMany, "too many connections of this user: limits.user_connections (BELFRY_LIMITS_USER_CONNECTIONS) is reached")

// countUser counts a session as one of its user, on all nodes, before the client is that
// user, or says that there are enough. While the broker is away those of this node
// count. It is called by the goroutine that reads.
func countUser(ctx context.Context, s *Session, who *access.Identity) error {
	r := s.registry
	if r.limits.UserConnections == 0 || who == nil || who.User == "" {
		return nil
	}
	user := who.User
	if who.Within != nil {
		user = who.Proof.Key + "\x00" + user // nobody takes the connections of a user of another key
	}
	if user == s.counted {
		return nil
	}
	discount(s)
	n, err := r.hub.Connect(ctx, user, s.id)
	if err != nil {
		n = r.connections(who.User) + 1
	}
	s.mu.Lock()
	gone := s.gone
	if !gone {
		s.counted = user
	}
	s.mu.Unlock()
	switch {
	case gone:
		r.hub.Disconnect(user, s.id)
		return ErrGone
	case n > r.limits.UserConnections:
		discount(s)
		return ErrConnections
	}
	return nil
}

// discount takes back that a session was counted, if it was.
func discount(s *Session) {
	s.mu.Lock()
	user := s.counted
	s.counted = ""
	s.mu.Unlock()
	if user != "" {
		s.registry.hub.Disconnect(user, s.id)
	}
}

// connections is how many a user has at this node.
func (r *Registry) connections(user string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.users[user])
}
