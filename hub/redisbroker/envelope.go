package redisbroker

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

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
	tagOfUser  = 'y' // the user whom the message excludes
	tagKind    = 'j' // unsigned varint
	tagConn    = 'i'
	tagChan    = 'h'
	tagReport  = 'n' // how far the counter is; the script puts it at the end, and the voucher reads it
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
	dst = appendField(dst, tagOfUser, m.ExcludeUser)
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

// parseEnvelope reads an envelope, which somebody else may have written. The message
// keeps parts of b. What is in it can be sent to clients as it is, but it may have
// no data; a message of a kind that is not known has anything.
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
		if len(value) > 0 { // an empty one is as good as none
			if err := setField(m, tag, value); err != nil {
				return nil, err
			}
		}
		b = rest
	}
	return m, check(m)
}

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
		n, size := binary.Uvarint(value)
		if size <= 0 {
			return fmt.Errorf("%w: kind", errEnvelope)
		}
		m.Kind = hub.Kind(min(n, math.MaxUint8)) // which is not known either
	case tagTime:
		m.Time = number(value)
	case tagTick:
		m.Tick = number(value)
	case tagExclude:
		m.Exclude = string(value)
	case tagOfUser:
		m.ExcludeUser = string(value)
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

// check reports what of a message that came from Redis no client may be sent.
func check(m *hub.Message) error {
	if !m.Kind.Known() {
		return nil
	}
	if len(m.Data) > 0 && !isCompact(m.Data) {
		return fmt.Errorf("%w: the data is no JSON in compact form", errEnvelope)
	}
	if m.Info == nil {
		return nil
	}
	for _, info := range [][]byte{m.Info.ConnInfo, m.Info.ChanInfo} {
		if len(info) > 0 && !isCompact(info) {
			return fmt.Errorf("%w: what is known of a client is no JSON in compact form", errEnvelope)
		}
	}
	return nil
}

// deliverable reports what a message lacks that its kind has.
func deliverable(m *hub.Message) error {
	switch {
	case m.Kind == hub.KindPublished && len(m.Data) == 0:
		return fmt.Errorf("%w: there is no data", errEnvelope)
	case (m.Kind == hub.KindJoin || m.Kind == hub.KindLeave) && m.Info == nil:
		return fmt.Errorf("%w: nobody joined or left", errEnvelope)
	}
	return nil
}

// maxDepth is how many arrays and objects may stand in one another.
const maxDepth = 512

// isCompact reports whether text is one JSON value, in UTF-8 and without white space
// between its parts. It takes a fraction of the time of [json.Valid], because it runs
// for each message on each node.
func isCompact(text []byte) bool {
	rest, ok := cutValue(text, 0)
	return ok && len(rest) == 0 && utf8.Valid(text)
}

// cutValue returns what stands behind the value with which b begins.
func cutValue(b []byte, depth int) (rest []byte, ok bool) {
	if len(b) == 0 || depth > maxDepth {
		return nil, false
	}
	switch b[0] {
	case '"':
		return cutString(b)
	case '{':
		return cutMembers(b[1:], '}', depth+1)
	case '[':
		return cutMembers(b[1:], ']', depth+1)
	case 't':
		return bytes.CutPrefix(b, []byte("true"))
	case 'f':
		return bytes.CutPrefix(b, []byte("false"))
	case 'n':
		return bytes.CutPrefix(b, []byte("null"))
	}
	return cutNumber(b)
}

// cutMembers goes on behind the first brace or bracket, to the one that ends it.
func cutMembers(b []byte, end byte, depth int) (rest []byte, ok bool) {
	if len(b) > 0 && b[0] == end {
		return b[1:], true
	}
	for {
		if end == '}' {
			if b, ok = cutString(b); !ok || len(b) == 0 || b[0] != ':' {
				return nil, false
			}
			b = b[1:]
		}
		if b, ok = cutValue(b, depth); !ok || len(b) == 0 {
			return nil, false
		}
		switch b[0] {
		case end:
			return b[1:], true
		case ',':
			b = b[1:]
		default:
			return nil, false
		}
	}
}

func cutString(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, false
	}
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return b[i+1:], true
		case c < ' ':
			return nil, false
		case c == '\\':
			i++
			if i == len(b) || !bytes.ContainsRune([]byte(`"\/bfnrtu`), rune(b[i])) || b[i] == 'u' && !isHex(b[i+1:]) {
				return nil, false
			}
		}
	}
	return nil, false
}

// isHex reports whether four hexadecimal digits come first.
func isHex(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	_, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return err == nil && b[0] != '+' && b[0] != '-'
}

func cutNumber(b []byte) (rest []byte, ok bool) {
	if b[0] == '-' {
		b = b[1:]
	}
	if len(b) > 0 && b[0] == '0' {
		b = b[1:]
	} else if b, ok = cutDigits(b); !ok {
		return nil, false
	}
	if len(b) > 0 && b[0] == '.' {
		if b, ok = cutDigits(b[1:]); !ok {
			return nil, false
		}
	}
	if len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		if b = b[1:]; len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		return cutDigits(b)
	}
	return b, true
}

func cutDigits(b []byte) (rest []byte, ok bool) {
	n := 0
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		n++
	}
	return b[n:], n > 0
}
