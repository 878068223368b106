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
func (h *Hub) check(ctx context.Context) {
	pause(ctx, rand.N(h.every))
	for ctx.Err() == nil {
		parts := slices.Collect(slices.Chunk(h.positioned(), repairBatch))
		for _, channels := range parts {
			h.compare(ctx, channels)
			pause(ctx, h.every/time.Duration(len(parts)))
		}
		if len(parts) == 0 {
			pause(ctx, h.every)
		}
	}
}

// positioned returns the channels that have a history, and subscribers here.
func (h *Hub) positioned() (channels []*channel) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, c := range h.channels {
		if c.refs > 0 && c.rule.History.on() {
			channels = append(channels, c)
		}
	}
	return channels
}

// compare hands channels that are behind the broker to the repairers. One that
// moves meanwhile needs no help: what comes next shows what is missing before it.
func (h *Hub) compare(ctx context.Context, channels []*channel) {
	names, before := make([]string, len(channels)), make([]Position, len(channels))
	for i, c := range channels {
		names[i], before[i] = c.name, c.lastPosition()
	}
	reached, err := h.history.Positions(ctx, names, before)
	if err != nil {
		h.logger.Debug("not every position is compared", "err", err)
	}
	for i, p := range reached {
		known := p.Epoch != "" // one that the broker cannot tell of keeps no other waiting
		if c := channels[i]; known && needsRepair(before[i], p) && c.lastPosition() == before[i] {
			h.repairs.want(c.name)
		}
	}
}

// needsRepair reports whether a channel has missed messages, or whether there is no
// way to tell, when the node has seen one position and the history has reached
// another.
func needsRepair(seen, reached Position) bool {
	return seen.Epoch != reached.Epoch || seen.Offset < reached.Offset
}
