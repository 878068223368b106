package brokertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"belfry/hub"
	"belfry/hub/hubtest"
)

var noteChecks = []check{
	{"kept", checkNotesKept},
	{"many", checkManyNotes},
	{"over", checkNotesOver},
}

// noting makes two nodes that can keep notes.
func noting(t *testing.T, s Setup) []*hub.Hub {
	t.Helper()
	hubs := s.nodes(t, 2, nil)
	if err := hubs[0].KeepNotes(t.Context(), nil); err != nil {
		t.Skipf("nothing is noted here: %v", err)
	}
	return hubs
}

// notesOf reads notes, sorted by name.
func notesOf(t *testing.T, h *hub.Hub) []hub.Note {
	t.Helper()
	notes, _, err := h.Notes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(notes, func(a, b hub.Note) int { return strings.Compare(a.Name, b.Name) })
	return notes
}

// checkNotesKept: each node reads what the others keep, of each name what was made last,
// and knows by the mark that nothing has changed.
func checkNotesKept(t *testing.T, s Setup) {
	hubs := noting(t, s)
	until := time.Now().Add(time.Hour).Unix()
	a, b := hub.Note{Name: "a", Text: "with  spaces ", Made: 5, Until: until}, hub.Note{Name: "ü:b", Made: 1 << 50, Until: until}
	older, newer := a, a
	older.Made, newer.Made, newer.Text = 4, 6, "newer"
	for _, step := range []struct{ keep, want []hub.Note }{
		{nil, nil},
		{[]hub.Note{a, b}, []hub.Note{a, b}},
		{[]hub.Note{older}, []hub.Note{a, b}},
		{[]hub.Note{a}, []hub.Note{a, b}},
		{[]hub.Note{newer, older}, []hub.Note{newer, b}},
	} {
		if err := hubs[0].KeepNotes(t.Context(), step.keep); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(step.want, notesOf(t, hubs[1])); diff != "" {
			t.Errorf("after %v -want +got:\n%s", step.keep, diff)
		}
	}
	_, mark, _ := hubs[1].Notes(t.Context(), "")
	if notes, again, err := hubs[1].Notes(t.Context(), mark); len(notes) > 0 || again != mark || err != nil {
		t.Errorf("nothing has changed: %v, mark %q after %q, %v", notes, again, mark, err)
	}
	b.Made++
	if err := hubs[0].KeepNotes(t.Context(), []hub.Note{b}); err != nil {
		t.Fatal(err)
	}
	if notes, again, err := hubs[1].Notes(t.Context(), mark); len(notes) != 2 || again == mark || err != nil {
		t.Errorf("one has changed: %v, mark %q after %q, %v", notes, again, mark, err)
	}
}

func checkManyNotes(t *testing.T, s Setup) {
	hubs := noting(t, s)
	var want []hub.Note
	for i := range 1700 {
		want = append(want, hub.Note{Name: fmt.Sprintf("%04d", i), Text: "t", Made: 1, Until: time.Now().Add(time.Hour).Unix()})
	}
	if err := hubs[0].KeepNotes(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, notesOf(t, hubs[1])); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// checkNotesOver: what is over is forgotten, and may be noted again.
func checkNotesOver(t *testing.T, s Setup) {
	hubs := noting(t, s)
	long := hub.Note{Name: "long", Made: 1, Until: time.Now().Add(time.Hour).Unix()}
	short := hub.Note{Name: "short", Made: 1, Until: time.Now().Unix() + 1}
	if err := hubs[0].KeepNotes(t.Context(), []hub.Note{long, short}); err != nil {
		t.Fatal(err)
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return len(notesOf(t, hubs[1])) == 1 }, "what is over is forgotten")
	short.Until = long.Until
	if err := hubs[0].KeepNotes(t.Context(), []hub.Note{short}); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]hub.Note{long, short}, notesOf(t, hubs[1])); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
