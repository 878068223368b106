package web

import (
	"context"
	"encoding/json"

	"belfry/hub"
)

// backendRPC is the rpc call of a backend, which has another word for the data
// than clients have.
type backendRPC struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// callRPC answers /api/rpc.
func (s *Server) callRPC(ctx context.Context, req *backendRPC) (any, error) {
	return s.rpc(ctx, hub.ClientInfo{}, req.Method, req.Params)
}
