package hub

import (
	"sync/atomic"
	"testing"
)

// More messages come while the history is read than it holds. What was read then
// and what was collected are not one piece, and nobody gets a part of each.
func TestRecentIsInOnePiece(t *testing.T) {
	r := recent{atHand: new(atomic.Int64)}
	r.collect(Position{"e", 10}, 5)
	add := func(first, last uint64) {
		for i := first; i <= last; i++ {
			r.add(&Message{Epoch: "e", Offset: i})
		}
	}
	add(11, 20)
	var read []*Message
	for i := uint64(6); i <= 10; i++ {
		read = append(read, &Message{Epoch: "e", Offset: i})
	}
	r.merge(HistoryResult{Messages: read, Position: Position{"e", 10}}, "e")
	if got, ok := r.between(7, 10); !ok || len(got) != 3 || got[0].Offset != 8 || got[2].Offset != 10 {
		t.Errorf("between 7 and 10: %v, %t; want the three that were read", got, ok)
	}
	if got, ok := r.between(9, 12); ok {
		t.Errorf("between 9 and 12: %d messages from %d to %d, want none: 11 is gone", len(got), got[0].Offset, got[len(got)-1].Offset)
	}
	add(21, 21)
	if got, ok := r.between(9, 10); ok {
		t.Errorf("behind a hole there are still %d messages", len(got))
	}
}
