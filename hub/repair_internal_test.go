package hub

import "testing"

// A channel may have gone on to another epoch while its history was read: what
// was read says nothing about the new one.
func TestFillGapAfterTheEpochChanged(t *testing.T) {
	c := newChannel(New(Options{}), "chat", &Rule{History: History{Size: 10}})
	c.startFrom(Position{"new", 0})
	for _, r := range []HistoryResult{
		{Position: Position{"new", 1}},
		{Position: Position{"old", 7}, Messages: []*Message{{Epoch: "old", Offset: 6}, {Epoch: "old", Offset: 7}}},
	} {
		repaired, lost, again := c.fillGap(Position{"old", 5}, r)
		if p := c.lastPosition(); repaired != 0 || lost || !again || p != (Position{"new", 0}) {
			t.Errorf("after %+v: %d repaired, lost %t, again %t, at %+v", r.Position, repaired, lost, again, p)
		}
	}
}
