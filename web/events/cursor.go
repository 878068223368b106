package events

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"

	"belfry/hub"
)

// A cursor says how far a client has read each of several channels. On the wire
// it is base64url without padding of one byte, the version, and for each channel
// a hash of its name (FNV-1a, 4 bytes, big-endian), the length of the epoch (1
// byte), the epoch, and the offset (uvarint). The names themselves would not fit.
// Two names with one hash do no harm: the epoch of another channel is unknown to
// the hub, and the client is told of a gap.
type cursor []mark

// mark is the position in one channel.
type mark struct {
	key uint32
	at  hub.Position
}

const (
	cursorVersion = 1
	// maxCursor is the longest cursor in bytes as it is sent.
	maxCursor = 1 << 10
	// maxEpoch is the longest epoch in bytes that a cursor takes; those of the
	// hub have as many.
	maxEpoch = 8
	// maxMarks is how many positions a cursor has at most: so many fit into
	// maxCursor whatever their offsets.
	maxMarks = 32
)

var errCursor = errors.New("a cursor is expected as an event's id or an answer's cursor gave it, at most 1024 bytes")

func cursorKey(channel string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(channel)) // a hash takes it
	return h.Sum32()
}

// position returns the position in a channel, or nil when there is none.
func (c cursor) position(channel string) *hub.Position {
	key := cursorKey(channel)
	for i := range c {
		if c[i].key == key {
			return &hub.Position{Epoch: c[i].at.Epoch, Offset: c[i].at.Offset}
		}
	}
	return nil
}

// set notes the position in a channel. A position without an epoch is none, and
// is left out.
func (c *cursor) set(channel string, at hub.Position) {
	if at.Epoch == "" || len(at.Epoch) > maxEpoch {
		return
	}
	key := cursorKey(channel)
	for i := range *c {
		if (*c)[i].key == key {
			(*c)[i].at = at
			return
		}
	}
	*c = append(*c, mark{key, at})
}

// append appends the cursor as it is sent. Of more than maxMarks positions it
// leaves out the last.
func (c cursor) append(dst []byte) []byte {
	raw := make([]byte, 1, maxCursor*3/4)
	raw[0] = cursorVersion
	for _, m := range c[:min(len(c), maxMarks)] {
		raw = binary.BigEndian.AppendUint32(raw, m.key)
		raw = append(append(raw, byte(len(m.at.Epoch))), m.at.Epoch...)
		raw = binary.AppendUvarint(raw, m.at.Offset)
	}
	return base64.RawURLEncoding.AppendEncode(dst, raw)
}

// parseCursor reads a cursor as it is sent. The error is errCursor.
func parseCursor(text string) (cursor, error) {
	if len(text) > maxCursor {
		return nil, errCursor
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) == 0 || raw[0] != cursorVersion {
		return nil, errCursor
	}
	var c cursor
	for rest := raw[1:]; len(rest) > 0; {
		var m mark
		if m, rest, err = parseMark(rest); err != nil || len(c) == maxMarks {
			return nil, errCursor
		}
		c = append(c, m)
	}
	return c, nil
}

// parseMark reads one position and returns what follows it.
func parseMark(raw []byte) (m mark, rest []byte, err error) {
	if len(raw) < 5 {
		return m, nil, errCursor
	}
	m.key = binary.BigEndian.Uint32(raw)
	size := int(raw[4])
	raw = raw[5:]
	if size == 0 || size > maxEpoch || size > len(raw) {
		return m, nil, errCursor
	}
	m.at.Epoch = string(raw[:size])
	offset, n := binary.Uvarint(raw[size:])
	if n <= 0 {
		return m, nil, errCursor
	}
	m.at.Offset = offset
	return m, raw[size+n:], nil
}
