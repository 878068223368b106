package hub

import "cmp"

// Limits bound what all clients together can make a node keep. Zero fields take the
// defaults.
type Limits struct {
	// Channels is how many channels a node has at a time: those with subscribers,
	// and those that they have just left. The memory broker remembers as many.
	// Default 100,000.
	Channels int
	// History is how many bytes of messages the histories of the memory broker have
	// in all. Default 64 MiB.
	History int64
	// IdempotencyKeys is how many the memory broker remembers. Default 100,000.
	IdempotencyKeys int
}

func (l Limits) complete() Limits {
	return Limits{
		Channels:        cmp.Or(l.Channels, 100_000),
		History:         cmp.Or(l.History, 64<<20),
		IdempotencyKeys: cmp.Or(l.IdempotencyKeys, 100_000),
	}
}

// LimitError is what a call returns, wrapped or not, that would need more of a node
// than it may keep. Nothing was done, and it may be repeated later, when others have
// left room.
type LimitError struct {
	Key  string // of the limit in the configuration, such as limits.channels
	What string // for everybody to see: what there is enough of
}

func (e *LimitError) Error() string { return e.Key + ": " + e.What }
