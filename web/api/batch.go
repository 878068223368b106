package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"belfry/web/fault"
)

const (
	// maxBatch is how many commands one batch may have.
	maxBatch = 1000
	// batchAtOnce is how many of them are carried out at the same time, when the
	// batch is a parallel one.
	batchAtOnce = 64
	// batchWait bounds a batch. Commands that it leaves no time for fail.
	batchWait = 5 * time.Second
)

// errUnknownMethod is for a command that there is no call for.
var errUnknownMethod = fault.New(fault.UnknownMethod, "method not found")

// batchRequest has commands such as {"publish": {…}}.
type batchRequest struct {
	Commands []map[string]json.RawMessage `json:"commands"`
	Parallel bool                         `json:"parallel"`
}

// batchReply is the result of a command under its name, or an error under "error".
type batchReply map[string]any

// fault is the error, or nil.
func (r batchReply) fault() *fault.Error {
	e, _ := r["error"].(*fault.Error)
	return e
}

// batch makes the call /api/batch, which carries out others, one after the other
// or, where parallel is asked for, at the same time. Replies stand in the order of
// the commands. Commands fail one by one; only when the broker is away for all of
// them does the whole call fail. It returns when all have, and leaves no goroutine
// behind.
func (a *API) batch(calls map[string]call) call {
	return call{batchWait, reading(func(ctx context.Context, req *batchRequest) (any, error) {
		if n := len(req.Commands); n == 0 || n > maxBatch {
			return nil, fault.Field("commands", fmt.Sprintf("1 to %d commands are accepted", maxBatch))
		}
		var g errgroup.Group
		g.SetLimit(1)
		if req.Parallel {
			g.SetLimit(batchAtOnce)
		}
		replies := make([]batchReply, len(req.Commands))
		for i, command := range req.Commands {
			g.Go(func() error {
				replies[i] = a.command(ctx, calls, command)
				return nil
			})
		}
		_ = g.Wait() // the errors are in the replies
		if worst := allUnavailable(replies, batchReply.fault); worst != nil {
			return nil, worst
		}
		return map[string]any{"replies": replies}, nil
	})}
}

// command carries out one command of a batch, within its own time and the batch's.
// What its reply does not say of an error is logged.
func (a *API) command(ctx context.Context, calls map[string]call, command map[string]json.RawMessage) batchReply {
	if len(command) != 1 {
		return batchReply{"error": fault.Field("command", "one method is expected in each")}
	}
	for name, body := range command {
		c, ok := calls[name]
		if !ok {
			return batchReply{"error": errUnknownMethod}
		}
		result, err := c.run(ctx, body)
		if err != nil {
			e := fault.From(err)
			a.Errors.Log(e, err, "path", "/api/batch")
			return batchReply{"error": e}
		}
		return batchReply{name: result}
	}
	return nil // not reached: there is one
}
