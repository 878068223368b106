package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"sync/atomic"

	"belfry/cmd/internal/centrifuge"
	"belfry/cmd/internal/client"
)

// subscriber is one connection that follows one channel, and the listener of it.
// Its reading goroutine owns what has no comment that says otherwise.
type subscriber struct {
	clock    clock
	protocol Protocol
	conn     *client.Conn
	session  *client.Session // nil: a WebSocket
	tally    *tally          // shared; locked while a read is handled
	channel  int

	finder    finder
	sequences []sequence // by publisher
	now       int64      // when the read at hand returned
	heard     bool       // a message that warms up has come

	resume  <-chan struct{} // it stops reading at the first counted message until this is closed; nil: it does not
	counted bool            // there was a counted message
	state   centrifugeState

	opened  int64         // nanoseconds from dialing until it had its channel
	code    atomic.Int32  // of the close frame; 0: none came
	gone    atomic.Bool   // the server has ended the connection
	ended   chan struct{} // closed when reading has
	refused atomic.Uint32 // messages that could not be published over it
}

// centrifugeState is where a connection of the Centrifuge protocol stands.
type centrifugeState struct {
	pong       bool  // pings are answered
	subscribed bool  // the subscribe command was accepted
	err        error // a command was refused
}

// newSubscriber has no connection, channel or tally yet.
func newSubscriber(c clock, p Protocol, prefix string, publishers int) *subscriber {
	return &subscriber{
		clock: c, protocol: p, finder: finder{prefix: prefix},
		sequences: make([]sequence, publishers), ended: make(chan struct{}),
	}
}

// subscribe says what there is to say and waits until the channel is had. With Raw
// over WebSocket there is nothing: the URL has named it, and a header the token.
func (s *subscriber) subscribe(channel, token string) error {
	switch {
	case s.session != nil:
		return s.conn.OpenSession()
	case s.protocol == Raw:
		return s.conn.Ready()
	}
	subscribe := centrifuge.Command{ID: subscribeID, Subscribe: &centrifuge.SubscribeRequest{Channel: channel}}
	if err := s.conn.SendText(centrifuge.Frame(connectCommand(token), subscribe)); err != nil {
		return err
	}
	for !s.state.subscribed {
		if err := errors.Join(s.conn.Receive(), s.state.err); err != nil {
			return err
		}
	}
	return s.conn.Ready()
}

// follow reads until the connection ends or is left.
func (s *subscriber) follow() {
	defer close(s.ended)
	err := error(nil)
	for err == nil && !(s.resume != nil && s.counted) {
		err = s.conn.Receive()
	}
	if err == nil {
		<-s.resume
		err = s.conn.ReceiveAll()
	}
	s.gone.Store(!s.conn.Left() && !errors.Is(err, os.ErrDeadlineExceeded) || s.code.Load() != 0)
}

// Begin stands before what a read has brought, which all came at the same time.
func (s *subscriber) Begin() {
	s.now = s.clock.now()
	s.tally.mu.Lock()
}

// End stands after it.
func (s *subscriber) End() { s.tally.mu.Unlock() }

// Message takes a frame's text, which may hold several messages or replies, one
// on a line.
func (s *subscriber) Message(text []byte) {
	for line := range bytes.SplitSeq(text, newline) {
		if stamp, ok := s.finder.find(line); ok {
			s.count(stamp)
		} else if s.protocol == Centrifuge {
			s.reply(line)
		}
	}
}

// Closing takes the code of a close frame.
func (s *subscriber) Closing(code int) { s.code.Store(int32(code)) }

// count counts a message. Its latency is to the end of the read that brought it.
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

// countWarm counts a message that warms up, and that the subscriber is there.
func (s *subscriber) countWarm() {
	s.tally.warm++
	if !s.heard {
		s.heard = true
		s.tally.ready++
	}
}

// lost is how many of the messages sent to its channel have not come. It is
// called under the tally's lock.
func (s *subscriber) lost(sent func(publisher, channel int) uint32) (n int64) {
	for p := range s.sequences {
		n += s.sequences[p].lost(sent(p, s.channel))
	}
	return n
}

// reply takes a line that is no message: a ping or the answer to a command.
func (s *subscriber) reply(line []byte) {
	if string(line) == centrifuge.Ping {
		if s.state.pong {
			_ = s.conn.SendText(line) // reading tells when the connection is broken
		}
		return
	}
	var r centrifuge.Reply
	if json.Unmarshal(line, &r) != nil {
		s.state.err = errors.New("the server does not speak the Centrifuge protocol in JSON")
		return
	}
	switch {
	case r.ID == 0: // a push
	case r.Error != nil && r.ID > subscribeID:
		s.refused.Add(1)
	case r.Error != nil:
		s.state.err = r.Error
	case r.ID == connectID && r.Connect != nil:
		s.state.pong = r.Connect.Pong
	case r.ID == subscribeID:
		s.state.subscribed = true
	}
}
