package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
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

// names yields the method of each command that has one.
func (r *batchRequest) names(yield func(string) bool) {
	for _, command := range r.Commands {
		for name := range command {
			if len(command) == 1 && !yield(name) {
				return
			}
		}
	}
}

// batchReply is the result of a command under its name, or an error under "error".
type batchReply map[string]any

// fault is the error, or nil.
func (r batchReply) fault() *fault.Error {
	e, _ := r["error"].(*fault.Error)
	return e
}

// carryOut answers /api/batch: it carries out other calls, one after the other or,
// where parallel is asked for, at the same time. Replies stand in the order of the
// commands. Commands fail one by one; only when the broker is away for all of them does
// the whole call fail. Those whose results may be large share the bytes that one call
// may answer with. It returns when all have, and leaves no goroutine behind.
func (a *API) carryOut(ctx context.Context, req *batchRequest) (any, error) {
	if n := len(req.Commands); n == 0 || n > maxBatch {
		return nil, fault.Field("commands", fmt.Sprintf("1 to %d commands are accepted", maxBatch))
	}
	var g errgroup.Group
	g.SetLimit(1)
	if req.Parallel {
		g.SetLimit(batchAtOnce)
	}
	replies, s := make([]batchReply, len(req.Commands)), a.newShares(req.names)
	for i, command := range req.Commands {
		g.Go(func() error {
			replies[i] = a.reply(ctx, command, s)
			return nil
		})
	}
	_ = g.Wait() // the errors are in the replies
	if worst := allUnavailable(replies, batchReply.fault); worst != nil {
		return nil, worst
	}
	return map[string]any{"replies": replies}, nil
}

// reply carries out one command of a batch.
func (a *API) reply(ctx context.Context, command map[string]json.RawMessage, s *shares) batchReply {
	if len(command) != 1 {
		return batchReply{"error": fault.Field("command", "one method is expected in each")}
	}
	for name, body := range command {
		result, e := a.command(ctx, name, body, s)
		if e != nil {
			return batchReply{"error": e}
		}
		return batchReply{name: result}
	}
	return nil // not reached: there is one
}

// command carries out one of several calls, within its own time and the time of all.
// What the error does not say is logged.
func (a *API) command(ctx context.Context, name string, body []byte, s *shares) (any, *fault.Error) {
	c, ok := a.single[name]
	if !ok {
		return nil, errUnknownMethod
	}
	err := a.mayCall(ctx, name)
	var result any
	if err == nil {
		result, err = c.runWithin(ctx, body, s)
	}
	if err != nil {
		e := fault.From(err)
		a.Errors.Log(e, err, "path", "/api/"+name)
		return nil, e
	}
	return result, nil
}

// lineCommand is a command as older libraries of Centrifugo send it to /api, each in a
// line of its own (centrifugal/gocent, client.go).
type lineCommand struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// lineReply is the line in answer to one.
type lineReply struct {
	Error  *fault.Error `json:"error,omitempty"`
	Result any          `json:"result,omitempty"`
}

// answerLines answers POST /api. Lines are carried out one after the other, in the time
// that a batch has, and fail one by one: the status is for what concerns all of them.
func (a *API) answerLines(w http.ResponseWriter, r *http.Request, body []byte) error {
	commands, err := readLines(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), batchWait)
	defer cancel()
	s := a.newShares(func(yield func(string) bool) {
		for _, c := range commands {
			if !yield(c.Method) {
				return
			}
		}
	})
	var replies []byte
	for _, c := range commands {
		var reply lineReply
		reply.Result, reply.Error = a.command(ctx, c.Method, c.Params, s)
		replies = append(fault.AppendJSON(replies, reply), '\n')
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(replies)))
	_, err = w.Write(replies)
	return err
}

// readLines reads the commands of a body. What a command says beside its method and
// params is for other servers.
func readLines(body []byte) (commands []lineCommand, err error) {
	for d := json.NewDecoder(bytes.NewReader(body)); ; {
		c := lineCommand{Params: json.RawMessage("{}")}
		switch err := d.Decode(&c); {
		case err == io.EOF && len(commands) > 0:
			return commands, nil
		case err != nil:
			return nil, fault.Field("body", `lines of {"method": …, "params": …} are expected: `+fault.DecodeError(err).Error())
		case len(commands) == maxBatch:
			return nil, fault.Field("body", fmt.Sprintf("1 to %d commands are accepted", maxBatch))
		}
		commands = append(commands, c)
	}
}
