package carry

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

// lines is this dialect, as lines or as events of an event stream.
type lines struct{ events bool }

// ContentType implements [Dialect].
func (d lines) ContentType() string {
	if d.events {
		return EventStream
	}
	return "text/plain; charset=utf-8"
}

// begin and finish put what belongs around a line.
func (d lines) begin(dst []byte) []byte {
	if d.events {
		dst = append(dst, eventField...)
	}
	return dst
}

func (d lines) finish(dst []byte) []byte {
	if d.events {
		dst = append(dst, '\n')
	}
	return append(dst, '\n')
}

// AppendMessage implements [session.Framing].
func (d lines) AppendMessage(dst, payload []byte) []byte {
	dst = append(d.begin(dst), `["m",`...)
	dst = fault.AppendString(dst, string(payload))
	return d.finish(append(dst, ']'))
}

func (d lines) appendOpen(dst []byte, name, subprotocol string) []byte {
	dst = append(d.begin(dst), `["open",`...)
	dst = fault.AppendString(dst, name)
	dst = fault.AppendString(append(dst, ','), subprotocol)
	return d.finish(append(dst, ']'))
}

// AppendPing implements [Dialect].
func (d lines) AppendPing(dst []byte) []byte { return d.finish(append(d.begin(dst), `["ping"]`...)) }

// appendPad appends a line that fills a buffer.
func (d lines) appendPad(dst []byte) []byte {
	if d.events {
		return AppendPad(dst)
	}
	dst = append(append(dst, `["pad","`...), strings.Repeat(" ", padSize)...)
	return append(dst, `"]`+"\n"...)
}

// AppendEnd implements [Dialect]. The line is a counted one.
func (d lines) AppendEnd(dst []byte, code int, reason string) []byte {
	dst = append(d.begin(dst), `["close",`...)
	dst = append(strconv.AppendInt(dst, int64(code), 10), ',')
	return d.finish(append(fault.AppendString(dst, reason), ']'))
}

// count returns how many lines there are in whole frames.
func (d lines) count(frames []byte) int {
	n := bytes.Count(frames, []byte{'\n'})
	if d.events {
		return n / 2
	}
	return n
}

// skip returns how many bytes the first lines of whole frames have.
func (d lines) skip(frames []byte, n int) int {
	if d.events {
		n *= 2
	}
	size := 0
	for range n {
		size += 1 + bytes.IndexByte(frames[size:], '\n')
	}
	return size
}

// rewrap turns lines into events or back, for a client that goes on with another
// kind of request than it began with. Frames may come in pieces. The zero rewrap
// changes nothing.
type rewrap struct {
	from, to lines
	column   int // in the line that has begun
}

// newRewrap goes from one dialect to another. Only the dialect of lines has two
// forms; in any other what is sent is what was said.
func newRewrap(from, to Dialect) rewrap {
	f, ok1 := from.(lines)
	t, ok2 := to.(lines)
	if !ok1 || !ok2 {
		return rewrap{}
	}
	return rewrap{from: f, to: t}
}

// changes reports whether frames become something else.
func (r *rewrap) changes() bool { return r.from != r.to }

// append appends what frames become.
func (r *rewrap) append(dst, frames []byte) []byte {
	if !r.changes() {
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
	if r.to.events {
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
