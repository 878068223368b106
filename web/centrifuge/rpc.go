package centrifuge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"belfry/hub"
	"belfry/web/fault"
)

const (
	// maxMethod is the longest name of an RPC method in bytes.
	maxMethod = 255
	// RPCWait is how long an RPC handler may take: clients of the Centrifuge
	// protocol wait for five seconds.
	RPCWait = 4 * time.Second
)

// RPCHandler answers the rpc calls of clients and of backends, whose ClientInfo
// is the zero value. Data is JSON in compact form, or nil when there is none; so
// is what it returns. An [*RPCError] reaches the caller as it is; any other error
// is logged, and the caller hears of an internal one. It is called on many
// goroutines, and its context ends after four seconds, or with the call.
type RPCHandler func(ctx context.Context, client hub.ClientInfo, method string, data []byte) ([]byte, error)

// RPCError is an error that the caller of an RPC is told.
type RPCError struct {
	Code      int // 400 to 1999, which the Centrifuge protocol leaves to applications
	Message   string
	Temporary bool // the caller may try again
}

// Error is the message.
func (e *RPCError) Error() string { return e.Message }

// publicRPCError is what the caller hears of a handler's error.
func publicRPCError(err error) error {
	var e *RPCError
	if !errors.As(err, &e) || e.Code < 400 || e.Code >= 2000 {
		return err
	}
	return &fault.Error{Kind: fault.Application, Code: e.Code, Message: e.Message, Temporary: e.Temporary}
}

// rpcRequest is that of the client protocol.
type rpcRequest struct {
	Method string          `json:"method"`
	Data   json.RawMessage `json:"data"`
}

// RPCResult is what a handler returned.
type RPCResult struct {
	Data json.RawMessage `json:"data,omitempty"`
}

// RPC hands a call to the handler, and checks what comes and goes: a method of 1 to 255
// bytes, data that is one JSON value or nothing, a result of the same kind. The context
// is the handler's; a client is the zero value when the backend calls. An error wraps
// the handler's own, where that is for the caller.
func (s *Server) RPC(ctx context.Context, client hub.ClientInfo, method string, data json.RawMessage) (*RPCResult, error) {
	switch {
	case s.rpc == nil:
		return nil, errNotAvailable
	case method == "" || len(method) > maxMethod:
		return nil, fault.Field("method", fmt.Sprintf("a name of 1 to %d bytes is expected", maxMethod))
	}
	if len(data) > 0 {
		compacted, err := fault.Compact(data)
		if err != nil {
			return nil, fault.Field("data", err.Error())
		}
		data = compacted
	}
	result, err := s.rpc(ctx, client, method, data)
	if err != nil {
		return nil, fmt.Errorf("rpc %q: %w", method, publicRPCError(err))
	}
	if len(result) > 0 && !json.Valid(result) {
		return nil, fmt.Errorf("rpc %q: the handler returned what is not JSON", method)
	}
	return &RPCResult{result}, nil
}
