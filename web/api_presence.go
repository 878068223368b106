package web

import (
	"context"

	"belfry/web/access"
)

// readPresence answers /api/presence.
func (s *Server) readPresence(ctx context.Context, req *channelRequest) (any, error) {
	rule, err := s.backendMay(ctx, access.ReadPresence, req.Channel)
	if err != nil {
		return nil, err
	}
	return s.presence(ctx, rule, req.Channel)
}

// countPresence answers /api/presence_stats.
func (s *Server) countPresence(ctx context.Context, req *channelRequest) (any, error) {
	rule, err := s.backendMay(ctx, access.ReadPresence, req.Channel)
	if err != nil {
		return nil, err
	}
	return s.presenceStats(ctx, rule, req.Channel)
}
