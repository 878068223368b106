package load

// schedule is when messages are due: message k at start + k × interval. It depends
// on nothing that happens, so that a server which makes publishers wait finds the
// messages overdue afterwards, and their latency counts from when they were due.
type schedule struct {
	start    int64   // nanoseconds on the clock of the run
	interval float64 // nanoseconds
	total    int
	warm     bool // the messages are not counted
}

// due is when message k is to be sent, k from 0.
func (s *schedule) due(k int) int64 { return s.start + int64(float64(k)*s.interval) }

// period is the time in nanoseconds between two messages of one publisher in one
// channel: message k is publisher k modulo their number's, and goes to channel k
// modulo theirs.
func period(rate float64, publishers, channels int) int64 {
	return int64(1e9/rate) * int64(lcm(publishers, channels))
}

// lcm is the least common multiple of two numbers from 1.
func lcm(a, b int) int {
	x, y := a, b
	for y > 0 {
		x, y = y, x%y
	}
	return a / x * b
}
