package hub

import (
	"math/rand/v2"
	"strconv"
)

// Position is a place in a channel's history. The zero Position belongs to
// channels without history.
type Position struct {
	Epoch  string // which run of numbering; changes when the numbering is lost
	Offset uint64 // of the newest message, zero before the first
}

// NewEpoch names a new run of numbering, for brokers. It is 40 bits, which come for
// each publish and so have to be cheap; nobody gains anything by guessing them.
func NewEpoch() string { return strconv.FormatUint(1<<40|rand.Uint64N(1<<40), 32)[1:] }
