package load

import "slices"

// verdict is what the number of a message says about its coming.
type verdict uint8

const (
	inOrder verdict = iota
	late            // after one that was published later
	again           // has come before
)

// sequence follows the numbers of the messages of one publisher in one channel
// as one subscriber gets them. As long as they come in order it is a number; only
// what is missing costs memory and time.
type sequence struct {
	last    uint32 // the highest that has come; 0: none
	missing []span // below last, ascending
}

// span is the numbers from first to last, inclusive.
type span struct{ first, last uint32 }

// note takes the number of a message that has come, from 1.
func (s *sequence) note(n uint32) verdict {
	if n == s.last+1 {
		s.last = n
		return inOrder
	}
	if n > s.last {
		s.missing = append(s.missing, span{s.last + 1, n - 1})
		s.last = n
		return inOrder
	}
	return s.noteEarlier(n)
}

// noteEarlier takes the number out of those that are missing.
func (s *sequence) noteEarlier(n uint32) verdict {
	i := slices.IndexFunc(s.missing, func(m span) bool { return m.first <= n && n <= m.last })
	if i < 0 {
		return again
	}
	m := s.missing[i]
	var rest []span
	if m.first < n {
		rest = append(rest, span{m.first, n - 1})
	}
	if n < m.last {
		rest = append(rest, span{n + 1, m.last})
	}
	s.missing = slices.Replace(s.missing, i, i+1, rest...)
	return late
}

// lost returns how many numbers up to the last one published have not come.
func (s *sequence) lost(published uint32) (n int64) {
	for _, m := range s.missing {
		n += int64(m.last-m.first) + 1
	}
	return n + max(0, int64(published)-int64(s.last))
}
