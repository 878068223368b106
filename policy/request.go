package policy

// Request is all that a player sends to ask for a policy file: 22 characters and a
// NUL, 23 bytes.
const Request = "<policy-file-request/>\x00"

// Verdict is what a [Matcher] says of the bytes it has seen.
type Verdict int

const (
	// NeedMore: the start of a request, not yet the whole.
	NeedMore Verdict = iota
	// Matched: a request. Bytes after its NUL do not count.
	Matched
	// Mismatch: not a request, whatever follows.
	Mismatch
)

// Matcher recognises a policy request in bytes that arrive in pieces of any size.
// The verdict does not depend on how they were split, and once it is Matched or
// Mismatch it stays. The zero value is ready; it keeps no bytes and allocates
// nothing. It is not safe for use by several goroutines.
type Matcher struct {
	seen    int // bytes of Request matched so far
	verdict Verdict
}

// Feed looks at the next bytes of the connection, which it neither keeps nor
// changes, and returns the verdict. An empty piece changes nothing.
func (m *Matcher) Feed(piece []byte) Verdict {
	if m.verdict != NeedMore {
		return m.verdict
	}
	rest := Request[m.seen:]
	n := min(len(rest), len(piece))
	if rest[:n] != string(piece[:n]) {
		m.verdict = Mismatch
		return m.verdict
	}
	m.seen += n
	if m.seen == len(Request) {
		m.verdict = Matched
	}
	return m.verdict
}

// End says that no more bytes will come and returns the last verdict, never
// NeedMore: some clients close their side instead of sending the NUL, which counts
// as a request too.
func (m *Matcher) End() Verdict {
	if m.verdict == NeedMore {
		m.verdict = Mismatch
		if m.seen == len(Request)-1 {
			m.verdict = Matched
		}
	}
	return m.verdict
}

// String returns the verdict in words, for logs and tests.
func (v Verdict) String() string {
	switch v {
	case Matched:
		return "matched"
	case Mismatch:
		return "mismatch"
	default:
		return "need more"
	}
}
