package events

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"belfry/web/carry"
	"belfry/web/fault"
)

// A plain event stream (WHATWG HTML, section 9.2) has these events and lines:
//
//	id: CURSOR                     the position before the first event
//
//	id: CURSOR                     a message
//	data: {"channel":"news",…}
//
//	event: belfry.gap              messages were missed that cannot be had
//	data: {"channels":["news"]}
//
//	: reason                       the end, and when to come back
//	retry: 1234
//
//	:                              nothing: the server is there

const (
	gapEvent = "belfry.gap"
	// A client is to come back after a pause between these two, so that not all
	// of a server's clients come at once.
	minRetry, maxRetry = 500 * time.Millisecond, 2500 * time.Millisecond
)

// appendField appends one line. What could end it is left out.
func appendField(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ": "...)
	dst = append(dst, strings.Map(inField, value)...)
	return append(dst, '\n')
}

// inField is for strings.Map: carriage return and line feed end a line, and an id
// with a NUL is ignored.
func inField(r rune) rune {
	if r == '\r' || r == '\n' || r == 0 {
		return -1
	}
	return r
}

// appendID appends the line that becomes the client's Last-Event-ID.
func appendID(dst []byte, at cursor) []byte {
	return append(at.append(append(dst, "id: "...)), '\n')
}

// appendRetry appends the line that says when to come back.
func appendRetry(dst []byte) []byte {
	wait := minRetry + rand.N(maxRetry-minRetry)
	return append(appendField(dst, "retry", strconv.FormatInt(wait.Milliseconds(), 10)), '\n')
}

// appendGap appends the event that names channels with a gap. Behind it the
// client is at the given position; nil: that is not known.
func appendGap(dst []byte, at cursor, channels ...string) []byte {
	dst = appendField(dst, "event", gapEvent)
	if at != nil {
		dst = appendID(dst, at)
	}
	dst = append(fault.AppendJSON(append(dst, `data: {"channels":`...), channels), '}')
	return append(dst, "\n\n"...)
}

// plain is the dialect of plain event streams.
type plain struct{}

// ContentType implements [carry.Dialect].
func (plain) ContentType() string { return carry.EventStream }

// AppendMessage implements [session.Framing]: the payload is one line.
func (plain) AppendMessage(dst, payload []byte) []byte { return carry.AppendEvent(dst, payload) }

// AppendPing implements [carry.Dialect]: the protocol pings by itself.
func (plain) AppendPing(dst []byte) []byte { return dst }

// codeMore is what a stream is closed with whose client is to come back at once, for
// the rest of what it missed.
const codeMore = 1

// AppendEnd implements [carry.Dialect].
func (plain) AppendEnd(dst []byte, code int, reason string) []byte {
	if code == codeMore {
		return append(appendField(appendField(dst, "", reason), "retry", "0"), '\n')
	}
	return appendEnd(dst, reason)
}

// appendEnd appends what sends a client away, which is also what makes it
// come back: there is nothing in an event stream that would not.
func appendEnd(dst []byte, reason string) []byte {
	return appendRetry(appendField(dst, "", reason))
}
