package carry

import (
	"net/http"
	"strings"

	"belfry/web/session"
)

// Dialect is how lines look on a session over HTTP. It is comparable. A protocol
// that has streams of its own brings its own along.
type Dialect interface {
	session.Framing
	// ContentType is what responses are called.
	ContentType() string
	// AppendPing appends what says nothing but that the server is there; nothing
	// where the protocol pings by itself.
	AppendPing(dst []byte) []byte
	// AppendEnd appends what tells a client to go.
	AppendEnd(dst []byte, code int, reason string) []byte
}

const (
	// EventStream is the type of event streams (WHATWG HTML, section 9.2), and
	// eventField begins a line of data in one.
	EventStream = "text/event-stream"
	eventField  = "data: "
	// padSize is what a proxy may hold back before it lets anything through.
	padSize = 2 << 10
)

// AppendEvent appends an event of one line.
func AppendEvent(dst, line []byte) []byte {
	return append(append(append(dst, eventField...), line...), "\n\n"...)
}

// AppendPad appends a comment that fills the buffer of a proxy, to an event stream.
func AppendPad(dst []byte) []byte {
	return append(append(append(dst, ':'), strings.Repeat(" ", padSize)...), '\n')
}

// SetHeader describes a response that nobody on the way may keep, hold back or
// change.
func SetHeader(h http.Header, contentType string) {
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // for nginx
	// Chromium would hold text back until it has enough of it to guess its type.
	h.Set("X-Content-Type-Options", "nosniff")
}
