package web

import "context"

// readPresence answers /api/presence.
func (s *Server) readPresence(ctx context.Context, req *channelRequest) (any, error) {
	return s.presence(ctx, req.Channel)
}

// countPresence answers /api/presence_stats.
func (s *Server) countPresence(ctx context.Context, req *channelRequest) (any, error) {
	return s.presenceStats(ctx, req.Channel)
}
