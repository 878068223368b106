package api

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

// rpc answers /api/rpc. The handler has four seconds, and hears of no client.
func (a *API) rpc(ctx context.Context, req *backendRPC) (any, error) {
	return a.Centrifuge.RPC(ctx, hub.ClientInfo{}, req.Method, req.Params)
}
