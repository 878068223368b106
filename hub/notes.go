package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// Note is something that every node has to know, also one that starts later: few and
// small ones.
type Note struct {
	Name string // 1 to 1,000 bytes
	Text string
	// Made is when, in Unix microseconds: of two with the same name the later one holds.
	Made int64
	// Until is when it is forgotten, in Unix seconds.
	Until int64
}

// IsOver reports whether a note is to be forgotten.
func (n Note) IsOver(now time.Time) bool { return n.Until <= now.Unix() }

// NoteStore keeps notes for all nodes. The errors are those of [Broker].Publish.
type NoteStore interface {
	// Notes returns all notes, in no order, and a mark of what is kept. Where that is
	// the mark that was seen it returns no notes; one that is empty was never seen.
	Notes(ctx context.Context, seen string) (notes []Note, mark string, err error)
	// KeepNotes keeps notes, but for those of which one is kept that was not made
	// before. After an error some may be kept; they can be kept again.
	KeepNotes(ctx context.Context, notes []Note) error
}

// noNotes refuses to keep any.
type noNotes struct{}

func (noNotes) Notes(context.Context, string) ([]Note, string, error) { return nil, "none", nil }
func (noNotes) KeepNotes(context.Context, []Note) error {
	return fmt.Errorf("%w: this broker keeps no notes", ErrUnavailable)
}

// memoryNotes are those of one node. The zero value has none.
type memoryNotes struct {
	mu   sync.Mutex // guards what follows
	kept map[string]Note
	mark uint64
}

// Notes implements [NoteStore].
func (m *memoryNotes) Notes(_ context.Context, seen string) (notes []Note, mark string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if mark = strconv.FormatUint(m.mark, 16); mark == seen {
		return nil, mark, nil
	}
	now := time.Now()
	for name, n := range m.kept {
		if n.IsOver(now) {
			delete(m.kept, name)
			continue
		}
		notes = append(notes, n)
	}
	return notes, mark, nil
}

// KeepNotes implements [NoteStore].
func (m *memoryNotes) KeepNotes(_ context.Context, notes []Note) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = make(map[string]Note)
	}
	for _, n := range notes {
		if known, ok := m.kept[n.Name]; !ok || known.Made < n.Made {
			m.kept[n.Name] = n
			m.mark = rand.Uint64()
		}
	}
	return nil
}
