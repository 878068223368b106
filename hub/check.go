package hub

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// checkEvery is how often each channel's position is compared with the broker's.
// It bounds how long a message may be missing that the broker did not bring, when
// neither a newer one nor a broken connection shows it.
const checkEvery = 40 * time.Second

// check compares positions until the context ends: those of some channels at a
// time, spread over the interval, and over that of other nodes.
func (r *repairer) check(ctx context.Context) {
	pause(ctx, rand.N(checkEvery))
	for ctx.Err() == nil {
		parts := slices.Collect(slices.Chunk(r.registry.positioned(), repairBatch))
		for _, channels := range parts {
			r.compare(ctx, channels)
			pause(ctx, checkEvery/time.Duration(len(parts)))
		}
		if len(parts) == 0 {
			pause(ctx, checkEvery)
		}
	}
}

// compare hands channels that are behind the broker to the repairers. One that
// moves meanwhile needs no help: what comes next shows what is missing before it.
func (r *repairer) compare(ctx context.Context, channels []*channel) {
	names, before := make([]string, len(channels)), make([]Position, len(channels))
	for i, c := range channels {
		names[i], before[i] = c.name, c.lastPosition()
	}
	reached, err := r.history.Positions(ctx, names, before)
	if err != nil {
		r.logger.Debug("not every position is compared", "err", err)
	}
	for i, p := range reached {
		known := p.Epoch != "" // one that the broker cannot tell of keeps no other waiting
		if c := channels[i]; known && needsRepair(before[i], p) && c.lastPosition() == before[i] {
			r.want(c.name)
		}
	}
}

// needsRepair reports whether a channel has missed messages, or whether there is no
// way to tell, when the node has seen one position and the history has reached
// another.
func needsRepair(seen, reached Position) bool {
	return seen.Epoch != reached.Epoch || seen.Offset < reached.Offset
}
