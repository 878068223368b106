package load

// stay follows one publisher's messages from a join to the next leave. Which one is
// the first depends on when the join was answered, and which one the last on when
// the leave was.
type stay struct {
	begun bool // there was a first message
	sequence
}

// begin takes the number of the first message. So many before it should have
// come too.
func (s *stay) begin(first uint32, missed int64) {
	*s = stay{begun: true, sequence: sequence{last: first - 1 - uint32(missed)}}
}

// finish returns how many messages up to the last one were lost. Those after it
// were perhaps published after the leave, and nobody can tell.
func (s *stay) finish() (lost int64) {
	lost = s.lost(s.last)
	*s = stay{}
	return lost
}
