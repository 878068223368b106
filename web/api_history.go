package web

import (
	"context"
	"net/http"
)

// readHistory answers /api/history.
func (s *Server) readHistory(r *http.Request, body []byte) (any, error) {
	var req historyRequest
	if err := decode(body, &req); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), apiWait)
	defer cancel()
	return s.history(ctx, &req)
}

// removeHistory answers /api/history_remove.
func (s *Server) removeHistory(r *http.Request, body []byte) (any, error) {
	var req channelRequest
	if err := decode(body, &req); err != nil {
		return nil, err
	}
	rule, err := s.hub.Rule(req.Channel)
	switch {
	case err != nil:
		return nil, err
	case rule.History.Size == 0:
		return nil, errNotAvailable
	}
	ctx, cancel := context.WithTimeout(r.Context(), apiWait)
	defer cancel()
	return struct{}{}, s.hub.RemoveHistory(ctx, req.Channel)
}
