package web

import (
	"encoding/json"

	"belfry/hub"
	"belfry/web/fault"
	"belfry/web/wire"
)

// framing is how a transport wraps one text message.
type framing uint8

const (
	framingWebSocket   framing = iota // a text frame of RFC 6455
	framingLines                      // see framing_lines.go
	framingEvents                     // the same lines as events of an event stream
	framingReplies                    // the payload's lines: HTTP stream of the Centrifuge protocol
	framingReplyEvents                // the same lines as events of an event stream
	framingHixie                      // a text frame of hixie-75 and hixie-76
	framingPlain                      // an event for each line; see framing_plain.go
)

// appendFrame appends the payload, wrapped.
func (f framing) appendFrame(dst, payload []byte) []byte {
	switch f {
	case framingLines, framingEvents:
		return f.appendMessage(dst, payload)
	case framingReplies, framingReplyEvents, framingPlain:
		return f.appendReplies(dst, payload)
	case framingHixie:
		return wire.AppendHixie(dst, payload)
	}
	return wire.AppendText(dst, payload)
}

// payload writes a message as one protocol says it. An empty result means that
// the protocol has no word for the message.
type payload uint8

const (
	payloadRaw        payload = iota // the text alone
	payloadCentrifuge                // a publication push in JSON
	payloadComings                   // the same, and pushes of who joins and leaves
	payloadEvent                     // an event of /events in JSON
	payloadEventID                   // the same behind a line with its cursor, for streams of the one channel
)

// encoder is the wire format of a protocol on a transport. It is a
// [hub.Encoder]: equal encoders share frames.
type encoder struct {
	payload payload
	framing framing
}

// AppendFrame implements [hub.Encoder].
func (e encoder) AppendFrame(dst []byte, channel string, m *hub.Message) []byte {
	if m.Kind != hub.KindPublished {
		return e.appendComing(dst, channel, m)
	}
	switch e.payload {
	case payloadRaw:
		return e.framing.appendFrame(dst, rawText(m.Data))
	case payloadEventID:
		if m.Offset > 0 {
			dst = appendID(dst, cursor{{cursorKey(channel), hub.Position{Epoch: m.Epoch, Offset: m.Offset}}})
		}
		return e.framing.appendFrame(dst, appendEvent(nil, channel, m))
	case payloadEvent:
		return e.framing.appendFrame(dst, appendEvent(nil, channel, m))
	}
	return e.framing.appendFrame(dst, appendPublication(nil, channel, m))
}

// appendComing appends the frame of a join or a leave for those who want it.
func (e encoder) appendComing(dst []byte, channel string, m *hub.Message) []byte {
	if e.payload != payloadComings {
		return dst
	}
	return e.framing.appendFrame(dst, appendComing(nil, channel, m))
}

// rawText is what a raw stream says of a message's data: the text of a JSON
// string, and any other JSON as it is.
func rawText(data []byte) []byte {
	var text string
	if len(data) > 0 && data[0] == '"' && json.Unmarshal(data, &text) == nil {
		return []byte(text)
	}
	return data
}

// rawData is the message that a raw client's text stands for: a JSON object or
// array is published as such, any other text as a JSON string.
func rawData(text []byte) []byte {
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		if data, err := fault.Compact(text); err == nil {
			return data
		}
	}
	return fault.AppendString(nil, string(text))
}
