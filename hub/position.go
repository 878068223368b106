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

// newEpoch names a new run of numbering, by 40 bits that come for each publish and
// so have to be cheap. Nobody gains anything by guessing them.
func newEpoch() string { return strconv.FormatUint(1<<40|rand.Uint64N(1<<40), 32)[1:] }
