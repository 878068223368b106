package load

import (
	"math/rand/v2"
	"testing"
)

func TestSequence(t *testing.T) {
	cases := []struct {
		name                         string
		numbers                      []uint32
		published                    uint32
		delivered, late, again, lost int64
	}{
		{"all in order", []uint32{1, 2, 3}, 3, 3, 0, 0, 0},
		{"nothing came", nil, 3, 0, 0, 0, 3},
		{"the first is missing", []uint32{2, 3}, 3, 2, 0, 0, 1},
		{"the last are missing", []uint32{1}, 3, 1, 0, 0, 2},
		{"one is missing", []uint32{1, 3, 4}, 4, 3, 0, 0, 1},
		{"two changed places", []uint32{1, 3, 2, 4}, 4, 4, 1, 0, 0},
		{"twice", []uint32{1, 1, 2, 2, 1}, 2, 2, 0, 3, 0},
		{"a late one twice", []uint32{1, 4, 2, 2, 3}, 4, 4, 2, 1, 0},
		{"out of the middle of a gap", []uint32{1, 9, 5, 5, 2, 8}, 9, 5, 3, 1, 4},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var s sequence
			count := make(map[verdict]int64)
			for _, n := range tc.numbers {
				count[s.note(n)]++
			}
			delivered := count[inOrder] + count[late]
			if lost := s.lost(tc.published); delivered != tc.delivered || count[late] != tc.late || count[again] != tc.again || lost != tc.lost {
				t.Errorf("delivered %d, late %d, again %d, lost %d; want %+v", delivered, count[late], count[again], lost, tc)
			}
		})
	}
}

// TestSequenceAgainstSet compares with a set of all numbers that came.
func TestSequenceAgainstSet(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s sequence
		came, most := make(map[uint32]bool), uint32(0)
		for range 60 {
			n := 1 + random.Uint32N(40)
			want := inOrder
			if came[n] {
				want = again
			} else if n < most {
				want = late
			}
			came[n], most = true, max(most, n)
			if got := s.note(n); got != want {
				t.Fatalf("number %d: got %d, want %d", n, got, want)
			}
			if got, want := s.lost(40), int64(40-len(came)); got != want {
				t.Fatalf("lost %d, want %d", got, want)
			}
		}
	}
}
