package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"belfry/hub"
	"belfry/web/fault"
)

var (
	errNoAnswer    = fault.New(fault.Unavailable, "a node has not answered in time, so what is known is not the whole truth; try again")
	errNodesAway   = fault.New(fault.Unavailable, "the broker is away, and the nodes cannot be asked; nothing was done, try again")
	errAnswerLimit = fault.New(fault.Limit, "limit exceeded: one node has more than 700 KiB to say; ask for less, with a narrower pattern")
)

// Names of the calls between the servers of a cluster.
const (
	callJoin       = "session.join"
	callLeave      = "session.leave"
	callDisconnect = "session.disconnect"
	callRefresh    = "session.refresh"
	callChannels   = "node.channels"
	callInfo       = "node.info"
)

// maxAnswer is the largest result of one node in bytes. The hub carries 1 MiB,
// in which a result takes four thirds of its size.
const maxAnswer = 700 << 10

// nodeAnswer is what a node answers: a result, or an error for whoever asked.
type nodeAnswer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  *fault.Packed   `json:"error,omitempty"`
}

// answerNodes names who answers the other nodes, and this one.
func (a *API) answerNodes() {
	a.Hub.HandleCall(callJoin, answering(a.joinHere))
	a.Hub.HandleCall(callLeave, answering(a.leaveHere))
	a.Hub.HandleCall(callDisconnect, answering(a.disconnectHere))
	a.Hub.HandleCall(callRefresh, answering(a.refreshHere))
	a.Hub.HandleCall(callChannels, answering(a.channelsHere))
	a.Hub.HandleCall(callInfo, answering(a.infoHere))
}

// answering turns a function into one that speaks JSON. What is wrong with the
// question travels as an answer; other errors are the node's own. A result over
// maxAnswer becomes errAnswerLimit. The function runs on a goroutine of the hub, and
// its context ends when nobody waits any more.
func answering[Q, A any](f func(context.Context, Q) (A, error)) hub.CallHandler {
	return func(ctx context.Context, data []byte) ([]byte, error) {
		var question Q
		if err := json.Unmarshal(data, &question); err != nil {
			return nil, err
		}
		result, err := f(ctx, question)
		if err != nil {
			return refusal(err)
		}
		text, err := json.Marshal(result)
		switch {
		case err != nil:
			return nil, err
		case len(text) > maxAnswer:
			return refusal(errAnswerLimit)
		}
		return json.Marshal(nodeAnswer{Result: text})
	}
}

// refusal is the answer that tells of an error, unless it is a fault of this node.
func refusal(err error) ([]byte, error) {
	if fault.From(err).Kind == fault.Internal {
		return nil, err
	}
	return json.Marshal(nodeAnswer{Error: fault.Pack(err)})
}

// askAll asks every node of the cluster, this one among them, and returns the
// answers of all of them, in no order, or an error: errNoAnswer when one of them is
// silent for longer than the hub waits, errNodesAway when the broker is away, or the
// first error that a node has answered with. What nodes have done by then is not
// undone.
func askAll[A any](ctx context.Context, a *API, name string, question any) ([]A, error) {
	data, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	answers, err := a.Hub.CallAll(ctx, name, data)
	var refusal *hub.RefusedError
	switch {
	case errors.Is(err, hub.ErrNoAnswer):
		a.Logger.Warn("not every node has answered", "call", name, "err", err)
		return nil, errNoAnswer
	case errors.As(err, &refusal):
		return nil, err
	case errors.Is(err, hub.ErrUnavailable):
		a.Logger.Warn("the nodes cannot be asked", "call", name, "err", err)
		return nil, errNodesAway
	case err != nil:
		return nil, err
	}
	results := make([]A, len(answers))
	for i, answer := range answers {
		if err := readAnswer(answer, &results[i]); err != nil {
			return nil, fmt.Errorf("%s of node %s: %w", name, answer.Node, err)
		}
	}
	return results, nil
}

// readAnswer reads a result, or returns the error that stands in its place.
func readAnswer(a hub.Answer, into any) error {
	var answer nodeAnswer
	if a.Err != nil {
		return a.Err
	}
	if err := json.Unmarshal(a.Data, &answer); err != nil {
		return err
	}
	if err := answer.Error.Unpack(); err != nil {
		return err
	}
	return json.Unmarshal(answer.Result, into)
}
