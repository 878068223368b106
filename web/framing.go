package web

import "strings"

// framing wraps one message for a transport. It is comparable: equal framings
// share frames.
type framing interface {
	// AppendMessage appends the payload, wrapped, and returns the extended slice.
	AppendMessage(dst, payload []byte) []byte
}

// dialect is how lines look on a session over HTTP. A protocol that has streams of
// its own brings its own along.
type dialect interface {
	framing
	// ContentType is what responses are called.
	ContentType() string
	// AppendPing appends what says nothing but that the server is there; nothing
	// where the protocol pings by itself.
	AppendPing(dst []byte) []byte
	// AppendEnd appends what tells a client to go.
	AppendEnd(dst []byte, code int, reason string) []byte
}

const (
	// eventStream is the type of event streams (WHATWG HTML, section 9.2), and
	// eventField begins a line of data in one.
	eventStream = "text/event-stream"
	eventField  = "data: "
	// padSize is what a proxy may hold back before it lets anything through.
	padSize = 2 << 10
)

// appendServerEvent appends an event of one line.
func appendServerEvent(dst, line []byte) []byte {
	return append(append(append(dst, eventField...), line...), "\n\n"...)
}

// appendPad appends a comment that fills a buffer.
func appendPad(dst []byte) []byte {
	return append(append(append(dst, ':'), strings.Repeat(" ", padSize)...), '\n')
}
