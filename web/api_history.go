package web

import "context"

// readHistory answers /api/history.
func (s *Server) readHistory(ctx context.Context, req *historyRequest) (any, error) {
	return s.history(ctx, req)
}

// removeHistory answers /api/history_remove.
func (s *Server) removeHistory(ctx context.Context, req *channelRequest) (any, error) {
	rule, err := s.hub.Rule(req.Channel)
	switch {
	case err != nil:
		return nil, err
	case rule.History.Size == 0:
		return nil, errNoHistory
	}
	return struct{}{}, s.hub.RemoveHistory(ctx, req.Channel)
}
