package load

import (
	"bytes"
	"errors"
	"os"
	"sync/atomic"
)

var newline = []byte{'\n'}

// subscriber is one connection that follows one channel. Its reading goroutine
// owns what has no comment that says otherwise.
type subscriber struct {
	conn
	run     *run
	tally   *tally
	channel int

	finder    finder
	sequences []sequence // by publisher
	now       int64      // when the read at hand returned
	heard     bool

	stall   bool // it stops reading at the first counted message
	counted bool // there was a counted message
	state   centrifugeState

	code    atomic.Int32  // of the close frame; 0: none came
	gone    atomic.Bool   // the server has ended the connection
	ended   chan struct{} // closed when reading has
	refused atomic.Uint32 // messages that could not be published over it
}

// finder finds the marker in a line, which is in the same place each time.
type finder struct {
	prefix string
	offset int
}

func (f *finder) find(line []byte) (s stamp, ok bool) {
	at := f.offset
	if len(line) < at+markerSize || string(line[at:at+prefixSize]) != f.prefix {
		at = bytes.Index(line, []byte(f.prefix))
		if at < 0 || len(line) < at+markerSize {
			return stamp{}, false
		}
		f.offset = at
	}
	return readStamp(line[at : at+markerSize])
}

func (s *subscriber) begin() {
	s.now = s.run.clock()
	s.tally.mu.Lock()
}

func (s *subscriber) end() { s.tally.mu.Unlock() }

// message takes a frame's text, which may hold several messages or replies, one
// on a line.
func (s *subscriber) message(text []byte) {
	for line := range bytes.SplitSeq(text, newline) {
		if stamp, ok := s.finder.find(line); ok {
			s.count(stamp)
		} else if s.run.Protocol == Centrifuge {
			s.reply(line)
		}
	}
}

func (s *subscriber) count(stamp stamp) {
	switch {
	case stamp.publisher >= len(s.sequences):
		return
	case stamp.number == 0:
		s.countWarm()
		return
	}
	s.counted = true
	t := s.tally
	switch s.sequences[stamp.publisher].note(stamp.number) {
	case again:
		t.duplicated++
		return
	case late:
		t.late++
	}
	t.delivered++
	record(t.latency, s.now-stamp.due)
}

func (s *subscriber) countWarm() {
	s.tally.warm++
	if !s.heard {
		s.heard = true
		s.tally.ready++
	}
}

func (s *subscriber) closing(code int) { s.code.Store(int32(code)) }

// lost is how many of the messages sent to its channel have not come. It is
// called under the tally's lock.
func (s *subscriber) lost(sent func(publisher, channel int) uint32) (n int64) {
	for p := range s.sequences {
		n += s.sequences[p].lost(sent(p, s.channel))
	}
	return n
}

// follow reads until the connection ends or is left.
func (s *subscriber) follow() {
	defer close(s.ended)
	err := error(nil)
	for err == nil && !(s.stall && s.counted) {
		err = s.read()
	}
	if err == nil {
		<-s.run.resume
		err = s.readAll()
	}
	s.gone.Store(!s.left.Load() && !errors.Is(err, os.ErrDeadlineExceeded) || s.code.Load() != 0)
}
