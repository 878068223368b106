package centrifuge

import (
	"bytes"
	"strconv"

	"belfry/web/carry"
	"belfry/web/fault"
)

// replies is the dialect of the Centrifuge protocol's own streams: each line of a
// message is a line, or an event, of its own.
type replies struct{ events bool }

// ContentType implements [carry.Dialect].
func (d replies) ContentType() string {
	if d.events {
		return carry.EventStream
	}
	return "application/json"
}

// AppendMessage implements [session.Framing].
func (d replies) AppendMessage(dst, payload []byte) []byte {
	for line := range bytes.SplitSeq(payload, []byte("\n")) {
		if d.events {
			dst = carry.AppendEvent(dst, line)
			continue
		}
		dst = append(append(dst, line...), '\n')
	}
	return dst
}

// AppendPing implements [carry.Dialect]: the protocol pings by itself.
func (d replies) AppendPing(dst []byte) []byte { return dst }

// AppendEnd implements [carry.Dialect]: a push says why.
func (d replies) AppendEnd(dst []byte, code int, reason string) []byte {
	push := append([]byte(`{"push":{"disconnect":{"code":`), strconv.Itoa(code)...)
	push = fault.AppendString(append(push, `,"reason":`...), reason)
	return d.AppendMessage(dst, append(push, `}}}`...))
}
