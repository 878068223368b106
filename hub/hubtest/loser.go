package hubtest

import (
	"sync"
	"testing"

	"belfry/hub"
)

// Loser is a recorder that counts how often it is told of a loss.
type Loser struct {
	*Recorder

	mu   sync.Mutex // guards what follows
	lost int
}

// NewLoser returns a subscriber with an ID.
func NewLoser(id string) *Loser { return &Loser{Recorder: NewRecorder(id)} }

// Lose implements [hub.Loser].
func (l *Loser) Lose(*hub.Subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost++
}

// Losses returns how often the loser was told of a loss.
func (l *Loser) Losses() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// ListenForLosses is Listen with a loser.
func ListenForLosses(t testing.TB, h *hub.Hub, channel string) *Loser {
	t.Helper()
	l := NewLoser("loser")
	Subscribe(t, h, channel, l, Lines{}).Start()
	return l
}

// WantOneByOne checks that messages have the offsets behind one, without a hole
// and none twice.
func WantOneByOne(t testing.TB, since uint64, messages []*hub.Message) {
	t.Helper()
	for _, m := range messages {
		if m.Offset != since+1 {
			t.Fatalf("offset %d follows %d", m.Offset, since)
		}
		since = m.Offset
	}
}
