package client

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
	// opNothing is no opcode: it stands for what means nothing to a session over
	// HTTP.
	opNothing = 16
)

// maxFrame is the most bytes of a frame or of a message in fragments. It is
// what Belfry can be configured to accept at most (limits.body).
const maxFrame = 64 << 20

var errFrameSize = fmt.Errorf("a frame or message is longer than %d bytes", maxFrame)

// frame is one frame of a server. Its payload lies in the bytes it was scanned
// from.
type frame struct {
	opcode  byte
	final   bool
	payload []byte
}

// scanFrame reads the frame that b begins with, which takes size bytes. When
// size is more than there are, the frame is not there yet, and needs so many
// bytes at least.
func scanFrame(b []byte) (f frame, size int, err error) {
	if len(b) < 2 {
		return frame{}, 2, nil
	}
	if b[0]&0x70 != 0 || b[1]&0x80 != 0 {
		return frame{}, 0, errors.New("a frame is masked or has reserved bits: this is no server of plain WebSocket")
	}
	head, length := 2, uint64(b[1])
	switch length {
	case 126:
		if head = 4; len(b) < head {
			return frame{}, head, nil
		}
		length = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if head = 10; len(b) < head {
			return frame{}, head, nil
		}
		length = binary.BigEndian.Uint64(b[2:])
	}
	if length > maxFrame {
		return frame{}, 0, errFrameSize
	}
	size = head + int(length)
	if size <= len(b) {
		f = frame{b[0] & 15, b[0]&0x80 != 0, b[head:size]}
	}
	return f, size, nil
}

// AppendText appends a frame with a text, ready for [Conn.Write].
func AppendText(b, text []byte) []byte { return appendFrame(b, opText, text) }

// appendFrame appends a frame as a client sends it: final, and masked. The mask
// need not be a secret here, and a changing one would cost time.
func appendFrame(b []byte, opcode byte, payload []byte) []byte {
	b, body := appendFrameHead(b, opcode, len(payload))
	b = append(b, payload...)
	maskPayload(b[body:])
	return b
}

// mask is that of every frame (RFC 6455, section 5.3).
var mask = [4]byte{0x1f, 0x9a, 0x53, 0xc7}

// appendFrameHead returns also where the payload begins.
func appendFrameHead(b []byte, opcode byte, size int) ([]byte, int) {
	b = append(b, 0x80|opcode)
	switch {
	case size < 126:
		b = append(b, 0x80|byte(size))
	case size < 1<<16:
		b = append(b, 0x80|126)
		b = binary.BigEndian.AppendUint16(b, uint16(size))
	default:
		b = append(b, 0x80|127)
		b = binary.BigEndian.AppendUint64(b, uint64(size))
	}
	b = append(b, mask[:]...)
	return b, len(b)
}

// maskPayload masks a payload, or takes the mask off again.
func maskPayload(payload []byte) {
	for i := range payload {
		payload[i] ^= mask[i&3]
	}
}

// closeCode is the code of a close frame's payload, 1005 when it has none (RFC
// 6455, section 7.1.5).
func closeCode(payload []byte) int {
	if len(payload) < 2 {
		return 1005
	}
	return int(binary.BigEndian.Uint16(payload))
}
