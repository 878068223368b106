package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// Opcodes of RFC 6455, section 5.2, with the FIN bit of section 5.2 set: Belfry
// never sends fragments.
const (
	finText  = 0x80 | 0x1
	finClose = 0x80 | 0x8
	finPing  = 0x80 | 0x9
)

// EmptyClose is a close frame without a code (RFC 6455, section 5.5.1).
var EmptyClose = []byte{finClose, 0}

// IsClose reports whether a frame is a close frame by its first byte.
func IsClose(first byte) bool { return first == finClose }

// Ping is a WebSocket ping frame without data (RFC 6455, section 5.5.2).
var Ping = []byte{finPing, 0}

// maxCloseReason is the longest reason of a close frame in bytes: a control
// frame carries at most 125 bytes (RFC 6455, section 5.5), two of them the code.
const maxCloseReason = 123

// AppendText appends an unmasked WebSocket text frame (RFC 6455, section 5.2)
// that carries the payload, of any length, and returns the extended slice. The
// payload must be valid UTF-8.
func AppendText(dst, payload []byte) []byte {
	return append(appendHeader(dst, finText, len(payload)), payload...)
}

// Text wraps messages as text frames of RFC 6455.
type Text struct{}

// AppendMessage appends a text frame, as [AppendText] does.
func (Text) AppendMessage(dst, payload []byte) []byte { return AppendText(dst, payload) }

// AppendClose appends an unmasked WebSocket close frame (RFC 6455, section
// 5.5.1). A reason over 123 bytes is cut before the rune that does not fit.
func AppendClose(dst []byte, code int, reason string) []byte {
	reason = cutReason(reason)
	dst = appendHeader(dst, finClose, 2+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// cutReason keeps whole runes: a reason has to be UTF-8, or the peer fails the
// connection with 1007 instead.
func cutReason(reason string) string {
	if len(reason) <= maxCloseReason {
		return reason
	}
	n := maxCloseReason
	for n > 0 && !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}

// appendHeader appends the header of an unmasked frame, with the shortest form
// of the length, as the section demands.
func appendHeader(dst []byte, first byte, length int) []byte {
	switch {
	case length <= 125:
		return append(dst, first, byte(length))
	case length <= 65535:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, first, 127), uint64(length))
	}
}
