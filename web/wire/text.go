package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// TextCheck follows the frames that a client sends (RFC 6455, section 5.2), whatever
// pieces they come in, and finds text that is not UTF-8 before the message is whole
// (section 8.1). A message that comes in one frame and one piece is passed over: whoever
// reads it sees the whole. What breaks another rule is passed over too, with all that
// follows, because the reader ends there. The zero TextCheck is at the begin of a
// connection. It is for one goroutine.
type TextCheck struct {
	head    [14]byte // of the frame that has begun
	size    uint8    // bytes of it that are here
	inside  bool     // all of it is, and so many bytes of the payload are to come
	checks  bool     // which are checked
	text    bool     // the message that has begun is text
	off     bool     // nothing is looked at any more
	at      uint8    // place in the mask
	cutSize uint8    // bytes of a rune that goes on in the next piece
	cut     [utf8.UTFMax]byte
	left    uint64
}

// Valid looks at the next bytes, and reports whether all is well so far.
func (c *TextCheck) Valid(p []byte) bool {
	for len(p) > 0 && !c.off {
		if !c.inside {
			p = c.header(p)
			continue
		}
		n := int(min(c.left, uint64(len(p))))
		if c.checks && !c.payload(p[:n]) {
			return false
		}
		p = p[n:]
		c.left -= uint64(n)
		c.inside = c.left > 0
	}
	return true
}

// header takes what belongs to the header of a frame, and returns the rest.
func (c *TextCheck) header(p []byte) []byte {
	for len(p) > 0 {
		c.head[c.size] = p[0]
		c.size++
		p = p[1:]
		if c.size >= 2 && int(c.size) == headerSize(c.head[1]) {
			c.begin(len(p))
			return p
		}
	}
	return p
}

// headerSize is how long a header is by its second byte, with a mask.
func headerSize(second byte) int {
	switch second & 0x7F {
	case 126:
		return 2 + 2 + 4
	case 127:
		return 2 + 8 + 4
	}
	return 2 + 4
}

// begin notes what a whole header says, behind which so many bytes are here.
func (c *TextCheck) begin(here int) {
	first, second := c.head[0], c.head[1]
	length := uint64(second & 0x7F)
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(c.head[2:]))
	case 127:
		length = binary.BigEndian.Uint64(c.head[2:])
	}
	copy(c.head[:4], c.head[c.size-4:c.size]) // the mask alone is needed from now on
	c.size, c.at, c.left, c.inside = 0, 0, length, length > 0
	last, opcode := first&0x80 != 0, first&0xF
	switch {
	case first&0x70 != 0 || second&0x80 == 0 || opcode > 0x2 && opcode < 0x8:
		c.off = true
	case opcode >= 0x8:
		c.checks = false
	case opcode > 0:
		c.text, c.cutSize = opcode == 0x1, 0
		c.checks = c.text && !(last && length <= uint64(here))
	default:
		c.checks = c.text
	}
}

// payload checks a part of a message.
func (c *TextCheck) payload(p []byte) bool {
	var buf [512 + utf8.UTFMax]byte
	for len(p) > 0 {
		n := copy(buf[:], c.cut[:c.cutSize])
		some := p[:min(len(p), 512)]
		for _, b := range some {
			buf[n] = b ^ c.head[c.at&3]
			c.at++
			n++
		}
		p = p[len(some):]
		whole := wholeRunes(buf[:n])
		if !utf8.Valid(buf[:whole]) {
			return false
		}
		c.cutSize = uint8(copy(c.cut[:], buf[whole:n]))
	}
	return true
}

// wholeRunes returns how many bytes there are up to a rune that is cut at the end.
func wholeRunes(p []byte) int {
	for i := len(p) - 1; i >= 0 && i > len(p)-utf8.UTFMax; i-- {
		if utf8.RuneStart(p[i]) {
			if utf8.FullRune(p[i:]) {
				break
			}
			return i
		}
	}
	return len(p)
}
