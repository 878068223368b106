package api

import (
	"context"
	"encoding/json"
	"iter"
	"sync"

	"belfry/web/fault"
)

var errBatchLimit = fault.New(fault.Limit, "limit exceeded: all commands of a batch are answered with 8 MiB, which leaves no room for this one; ask for less, or in a request of its own")

// runWithin carries the call out within its share of what a batch is answered with, if
// its result may be large. Of that only the JSON is kept.
func (c call) runWithin(ctx context.Context, body []byte, s *shares) (any, error) {
	if !c.large {
		return c.run(ctx, body, 0)
	}
	share := s.take()
	if share <= 0 {
		return nil, errBatchLimit
	}
	result, err := c.run(ctx, body, share)
	if err != nil {
		s.settle(share, 0)
		return nil, err
	}
	text := fault.AppendJSON(nil, result)
	if !s.settle(share, len(text)) {
		return nil, errBatchLimit
	}
	return json.RawMessage(text), nil
}

// shares divide what a batch may be answered with evenly among the commands that are
// still to come. What one leaves over is for those after it.
type shares struct {
	mu       sync.Mutex // guards what follows
	most     int        // bytes that results may be over all shares
	left     int        // bytes; below 0 when results are over their shares
	commands int        // still to come, whose results may be large
}

// newShares divides [maxRead] among commands. Results may have twice as many bytes in
// the end: one message may always be in a history, and JSON in JSON is larger than it
// was.
func (a *API) newShares(names iter.Seq[string]) *shares {
	s := &shares{most: maxRead, left: maxRead}
	for name := range names {
		if a.single[name].large {
			s.commands++
		}
	}
	return s
}

// take takes the share of the next command.
func (s *shares) take() (bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes = s.left / s.commands
	s.left -= bytes
	s.commands--
	return bytes
}

// settle gives back what a result has left of its share, or takes what it has beyond.
// It returns false when there is no room for it.
func (s *shares) settle(share, size int) (fits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left += share
	if fits = s.left-size >= -s.most; fits {
		s.left -= size
	}
	return fits
}
