package web

import (
	"context"

	"belfry/web/access"
)

// readHistory answers /api/history.
func (s *Server) readHistory(ctx context.Context, req *historyRequest) (any, error) {
	rule, err := s.backendMay(ctx, access.ReadHistory, req.Channel)
	if err != nil {
		return nil, err
	}
	return s.history(ctx, rule, req)
}

// removeHistory answers /api/history_remove.
func (s *Server) removeHistory(ctx context.Context, req *channelRequest) (any, error) {
	rule, err := s.backendMay(ctx, access.ReadHistory, req.Channel)
	switch {
	case err != nil:
		return nil, err
	case rule.History.Size == 0:
		return nil, errNoHistory
	}
	return struct{}{}, s.hub.RemoveHistory(ctx, req.Channel)
}
