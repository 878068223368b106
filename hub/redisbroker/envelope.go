package redisbroker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"belfry/hub"
)

// The envelope is how a message travels between nodes: a version byte, then
// fields of a tag byte, the length of the value as an unsigned varint, and the
// value. Zero fields are left out and unknown tags are skipped, so that nodes
// of neighbouring versions understand one another.
const envelopeVersion = 1

const (
	tagData    = 'd'
	tagTags    = 'g' // JSON object of strings
	tagUser    = 'u'
	tagClient  = 'c'
	tagTime    = 't' // unsigned varint
	tagTick    = 'k' // unsigned varint
	tagExclude = 'x'
	tagKind    = 'j' // unsigned varint
	tagConn    = 'i'
	tagChan    = 'h'
)

var errEnvelope = errors.New("bad message envelope")

// appendEnvelope appends a message's envelope to dst.
func appendEnvelope(dst []byte, m *hub.Message) []byte {
	dst = append(dst, envelopeVersion)
	dst = appendField(dst, tagKind, varint(int64(m.Kind)))
	if m.Info != nil {
		dst = appendField(dst, tagUser, m.Info.User)
		dst = appendField(dst, tagClient, m.Info.Client)
		dst = appendField(dst, tagConn, m.Info.ConnInfo)
		dst = appendField(dst, tagChan, m.Info.ChanInfo)
	}
	if len(m.Tags) > 0 {
		tags, _ := json.Marshal(m.Tags)
		dst = appendField(dst, tagTags, tags)
	}
	dst = appendField(dst, tagTime, varint(m.Time))
	dst = appendField(dst, tagTick, varint(m.Tick))
	dst = appendField(dst, tagExclude, m.Exclude)
	return appendField(dst, tagData, m.Data)
}

// appendField appends a field, unless its value is empty.
func appendField[T string | []byte](dst []byte, tag byte, value T) []byte {
	if len(value) == 0 {
		return dst
	}
	dst = append(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// varint returns no bytes for zero.
func varint(n int64) []byte {
	if n == 0 {
		return nil
	}
	return binary.AppendUvarint(nil, uint64(n))
}

// parseEnvelope reads an envelope. The message keeps parts of b.
func parseEnvelope(b []byte) (*hub.Message, error) {
	if len(b) == 0 || b[0] != envelopeVersion {
		return nil, fmt.Errorf("%w: version %d is expected first", errEnvelope, envelopeVersion)
	}
	m := &hub.Message{}
	for b = b[1:]; len(b) > 0; {
		tag, value, rest, err := cutField(b)
		if err != nil {
			return nil, err
		}
		if err := setField(m, tag, value); err != nil {
			return nil, err
		}
		b = rest
	}
	return m, nil
}

// cutField returns the first field, whose value cannot grow into the next, and what
// is behind it.
func cutField(b []byte) (tag byte, value, rest []byte, err error) {
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > uint64(len(b)-1-size) {
		return 0, nil, nil, fmt.Errorf("%w: field %q is cut short", errEnvelope, b[0])
	}
	value = b[1+size:]
	return b[0], value[:n:n], value[n:], nil
}

// setField gives a message what a field says. It keeps the value.
func setField(m *hub.Message, tag byte, value []byte) error {
	switch tag {
	case tagData:
		m.Data = value
	case tagTags:
		if err := json.Unmarshal(value, &m.Tags); err != nil {
			return fmt.Errorf("%w: tags: %w", errEnvelope, err)
		}
	case tagUser:
		infoOf(m).User = string(value)
	case tagClient:
		infoOf(m).Client = string(value)
	case tagConn:
		infoOf(m).ConnInfo = value
	case tagChan:
		infoOf(m).ChanInfo = value
	case tagKind:
		m.Kind = hub.Kind(number(value))
	case tagTime:
		m.Time = number(value)
	case tagTick:
		m.Tick = number(value)
	case tagExclude:
		m.Exclude = string(value)
	}
	return nil
}

// infoOf returns the info of a message that gets one.
func infoOf(m *hub.Message) *hub.ClientInfo {
	if m.Info == nil {
		m.Info = &hub.ClientInfo{}
	}
	return m.Info
}

// number reads what varint made. Nonsense is zero.
func number(b []byte) int64 {
	n, _ := binary.Uvarint(b)
	return int64(n)
}
