package wire

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"time"
	"unicode/utf8"
)

// What the bytes between messages mean in the drafts hixie-75 and hixie-76 (the
// latter is hybi-00, section 4.2).
const (
	hixieText   = 0x00 // a text frame begins; it ends with hixieEnd
	hixieLength = 0x80 // with this bit a length follows, and so many bytes
	hixieEnd    = 0xFF
)

// HixieClose is the closing handshake of hixie-76. Hixie-75 has none.
var HixieClose = []byte{0xFF, 0x00}

// Errors of [HixieReader.Next].
var (
	ErrHixieClose  = errors.New("the peer began the closing handshake")
	ErrHixieLength = errors.New("the length of a frame has more than 63 bits")
	ErrTooLong     = errors.New("the message is over the limit")
)

// AppendHixie appends a text frame of the drafts hixie-75 and hixie-76 that
// carries the payload, and returns the extended slice. UTF-8 has no byte FF, so
// the first one ends the frame; what is not UTF-8 is replaced by U+FFFD.
func AppendHixie(dst, payload []byte) []byte {
	if !utf8.Valid(payload) {
		payload = bytes.ToValidUTF8(payload, []byte("\uFFFD"))
	}
	dst = append(dst, hixieText)
	dst = append(dst, payload...)
	return append(dst, hixieEnd)
}

// HixieText wraps messages as text frames of hixie-75 and hixie-76.
type HixieText struct{}

// AppendMessage appends a text frame, as [AppendHixie] does.
func (HixieText) AppendMessage(dst, payload []byte) []byte { return AppendHixie(dst, payload) }

// hixieBuffer is how many bytes of a connection are read at a time. Longer
// messages are gathered beside it.
const hixieBuffer = 512

// HixieReader reads text messages from a client of hixie-75 or hixie-76. It is
// for one goroutine.
type HixieReader struct {
	conn    net.Conn
	in      *bufio.Reader
	limit   int
	wait    time.Duration
	closing bool
}

// NewHixieReader makes a reader of messages of at most limit bytes, of which
// each has the time to arrive once it has begun: a client that sends nothing may
// wait for ever. With closing, FF 00 is the closing handshake of hixie-76, and
// otherwise a frame like others.
func NewHixieReader(c net.Conn, limit int, wait time.Duration, closing bool) *HixieReader {
	return &HixieReader{conn: c, in: bufio.NewReaderSize(c, hixieBuffer), limit: limit, wait: wait, closing: closing}
}

// Next returns the next text message, which is valid until the following call
// and may not be UTF-8. Frames of other types, which nobody ever gave a meaning,
// are read over, whatever their length, without being kept. It returns
// [ErrHixieClose], [ErrTooLong], [ErrHixieLength] or the connection's own error,
// and is not to be called again after one.
func (r *HixieReader) Next() ([]byte, error) {
	for {
		kind, err := r.in.ReadByte()
		switch {
		case err != nil:
			return nil, err
		case kind == hixieText:
			return r.text()
		case kind&hixieLength == 0:
			err = r.skipToEnd()
		default:
			err = r.skipLength(kind)
		}
		if err != nil {
			return nil, err
		}
	}
}

// text reads the rest of a text frame.
func (r *HixieReader) text() ([]byte, error) {
	here, _ := r.in.Peek(r.in.Buffered())
	if bytes.IndexByte(here, hixieEnd) >= 0 {
		text, err := r.in.ReadSlice(hixieEnd)
		return r.whole(text, err)
	}
	// Only a frame that comes in parts costs system calls for its deadline.
	if err := r.conn.SetReadDeadline(time.Now().Add(r.wait)); err != nil {
		return nil, err
	}
	text, err := r.gather()
	if err != nil {
		return nil, err
	}
	return text, r.conn.SetReadDeadline(time.Time{})
}

// gather reads the rest of a text frame part by part.
func (r *HixieReader) gather() (text []byte, err error) {
	for {
		part, err := r.in.ReadSlice(hixieEnd)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return r.whole(append(text, part...), err)
		}
		if text = append(text, part...); len(text) > r.limit {
			return nil, ErrTooLong
		}
	}
}

// whole takes the end off a frame that was read to it.
func (r *HixieReader) whole(frame []byte, err error) ([]byte, error) {
	switch {
	case err != nil:
		return nil, err
	case len(frame)-1 > r.limit:
		return nil, ErrTooLong
	}
	return frame[:len(frame)-1], nil
}

// skipToEnd reads over a frame that ends like text.
func (r *HixieReader) skipToEnd() error {
	for {
		if _, err := r.in.ReadSlice(hixieEnd); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// skipLength reads over a frame that has its length in front.
func (r *HixieReader) skipLength(kind byte) error {
	n, err := r.length()
	if err != nil {
		return err
	}
	if r.closing && kind == hixieEnd && n == 0 {
		return ErrHixieClose
	}
	for n > 0 {
		step, err := r.in.Discard(int(min(n, 1<<30))) // int may have 32 bits
		if err != nil {
			return err
		}
		n -= int64(step)
	}
	return nil
}

// length reads groups of seven bits, of which all but the last have the high bit
// set. Nine of them fit into an int64.
func (r *HixieReader) length() (n int64, err error) {
	for range 9 {
		group, err := r.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if n = n<<7 | int64(group&0x7F); group&0x80 == 0 {
			return n, nil
		}
	}
	return 0, ErrHixieLength
}
