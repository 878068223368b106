package centrifuge

import (
	"context"
	"fmt"

	"belfry/hub"
	"belfry/web/fault"
)

// ErrNoHistory is for a channel whose rule has no history.
var ErrNoHistory = fault.New(fault.NotAvailable, "not available: the rule of this channel has no history")

// maxHistoryLimit is how many messages one reading of a history brings at most.
const maxHistoryLimit = 1000

// History reads about so many bytes of the history of a channel with this rule, for
// a client or a backend that may; one message may always be read. Errors are
// ErrNoHistory, errUnrecoverable for a position that the channel has not been at, one
// that names the field that is wrong, and those of the hub.
func (s *Server) History(ctx context.Context, rule *hub.Rule, req *HistoryRequest, bytes int) (*HistoryResult, error) {
	switch {
	case rule.History.Size == 0:
		return nil, ErrNoHistory
	case req.Limit < -1 || req.Limit > maxHistoryLimit:
		return nil, fault.Field("limit", fmt.Sprintf("-1 to %d is accepted", maxHistoryLimit))
	}
	o := hub.HistoryOptions{Limit: req.Limit, Bytes: bytes, Reverse: req.Reverse}
	if req.Limit < 0 {
		o.Limit = maxHistoryLimit
	}
	if req.Since != nil {
		o.Since = &hub.Position{Epoch: req.Since.Epoch, Offset: req.Since.Offset}
	}
	r, err := s.hub.History(ctx, req.Channel, o)
	if err != nil {
		return nil, err
	}
	if o.Since != nil && !reached(r.Position, o) {
		return nil, errUnrecoverable
	}
	return &HistoryResult{newPublications(r.Messages), r.Position.Epoch, r.Position.Offset}, nil
}

// reached reports whether a history has been where reading is to start: in its
// epoch, which need not be given, and not in the future. Reading backwards may
// start anywhere.
func reached(p hub.Position, o hub.HistoryOptions) bool {
	return (o.Since.Epoch == "" || o.Since.Epoch == p.Epoch) && (o.Reverse || o.Since.Offset <= p.Offset)
}
