package web

import (
	"bytes"
	"strconv"
	"strings"

	"belfry/web/fault"
)

// Over HTTP each frame is a line of JSON, an array whose first element says what
// it is:
//
//	["open","SESSION",""]     the first line of a session, with its name and the subprotocol
//	["m","text"]              a message; counted
//	["close",1000,"reason"]   the end; counted
//	["ping"]                  nothing: the server is there
//	["pad","…"]               nothing: it fills the buffer of a proxy
//
// Lines that are counted are numbered from 1 in each session, and a client says
// how many it has when it comes back. No frame holds anything of the one session,
// so that a message is encoded once for all of them.

// padSize is what a proxy may hold back before it lets anything through.
const padSize = 2 << 10

// eventField begins each line of an event stream (WHATWG HTML, section 9.2).
const eventField = "data: "

// isEvents reports whether lines travel as events.
func (f framing) isEvents() bool {
	return f == framingEvents || f == framingReplyEvents || f == framingPlain
}

// begin and finish put what belongs around a line.
func (f framing) begin(dst []byte) []byte {
	if f.isEvents() {
		dst = append(dst, eventField...)
	}
	return dst
}

func (f framing) finish(dst []byte) []byte {
	if f.isEvents() {
		dst = append(dst, '\n')
	}
	return append(dst, '\n')
}

func (f framing) appendMessage(dst, payload []byte) []byte {
	dst = append(f.begin(dst), `["m",`...)
	dst = fault.AppendString(dst, string(payload))
	return f.finish(append(dst, ']'))
}

func (f framing) appendOpen(dst []byte, name, subprotocol string) []byte {
	dst = append(f.begin(dst), `["open",`...)
	dst = fault.AppendString(dst, name)
	dst = fault.AppendString(append(dst, ','), subprotocol)
	return f.finish(append(dst, ']'))
}

func (f framing) appendPing(dst []byte) []byte {
	return f.finish(append(f.begin(dst), `["ping"]`...))
}

// appendPad appends a line that fills a buffer: a comment in an event stream.
func (f framing) appendPad(dst []byte) []byte {
	if f.isEvents() {
		dst = append(append(dst, ':'), strings.Repeat(" ", padSize)...)
		return append(dst, '\n')
	}
	dst = append(append(dst, `["pad","`...), strings.Repeat(" ", padSize)...)
	return append(dst, `"]`+"\n"...)
}

// appendReplies appends the lines of a payload, each as one of its own.
func (f framing) appendReplies(dst, payload []byte) []byte {
	for line := range bytes.SplitSeq(payload, []byte("\n")) {
		dst = f.finish(append(f.begin(dst), line...))
	}
	return dst
}

// appendEnd appends the line that tells a client to go: a counted one, or a push
// of the Centrifuge protocol, or what ends a plain stream.
func (f framing) appendEnd(dst []byte, code int, reason string) []byte {
	if f == framingPlain {
		return appendPlainEnd(dst, reason)
	}
	number := strconv.Itoa(code)
	dst = f.begin(dst)
	if f == framingReplies || f == framingReplyEvents {
		dst = fault.AppendString(append(dst, `{"push":{"disconnect":{"code":`+number+`,"reason":`...), reason)
		return f.finish(append(dst, `}}}`...))
	}
	dst = fault.AppendString(append(dst, `["close",`+number+`,`...), reason)
	return f.finish(append(dst, ']'))
}

// count returns how many lines there are in whole frames.
func (f framing) count(frames []byte) int {
	n := bytes.Count(frames, []byte{'\n'})
	if f.isEvents() {
		return n / 2
	}
	return n
}

// skip returns how many bytes the first lines of whole frames have.
func (f framing) skip(frames []byte, lines int) int {
	if f.isEvents() {
		lines *= 2
	}
	size := 0
	for range lines {
		size += 1 + bytes.IndexByte(frames[size:], '\n')
	}
	return size
}

// rewrap turns lines into events or back, for a client that goes on with another
// kind of request than it began with. Frames may come in pieces.
type rewrap struct {
	from, to framing
	column   int // in the line that has begun
}

// append appends what frames become.
func (r *rewrap) append(dst, frames []byte) []byte {
	if r.from.isEvents() == r.to.isEvents() {
		return append(dst, frames...)
	}
	for len(frames) > 0 {
		line, ended := frames, false
		if i := bytes.IndexByte(frames, '\n'); i >= 0 {
			line, ended = frames[:i], true
		}
		dst = r.appendLine(dst, line, ended)
		frames = frames[min(len(frames), len(line)+1):]
	}
	return dst
}

// appendAll appends what several pieces become.
func (r *rewrap) appendAll(dst []byte, parts [][]byte) []byte {
	for _, part := range parts {
		dst = r.append(dst, part)
	}
	return dst
}

// appendLine appends a piece of a line.
func (r *rewrap) appendLine(dst, piece []byte, ended bool) []byte {
	column := r.column
	r.column += len(piece)
	if ended {
		r.column = 0
	}
	if r.to.isEvents() {
		if column == 0 {
			dst = r.to.begin(dst)
		}
		dst = append(dst, piece...)
		if ended {
			dst = r.to.finish(dst)
		}
		return dst
	}
	if ended && column+len(piece) == 0 {
		return dst // the empty line that ends an event
	}
	dst = append(dst, piece[min(len(piece), max(0, len(eventField)-column)):]...)
	if ended {
		dst = append(dst, '\n')
	}
	return dst
}
