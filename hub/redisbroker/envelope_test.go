package redisbroker

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"belfry/hub"
)

func TestEnvelopeRoundTrip(t *testing.T) {
	for _, c := range []struct {
		name string
		m    hub.Message
	}{
		{"empty", hub.Message{}},
		{"data", hub.Message{Data: []byte(`{"a":1}`)}},
		{"everything", hub.Message{
			Data: []byte(`"x"`), Tags: map[string]string{"a": "1", "": "", "ü": "\u2028"},
			Kind: hub.KindLeave, Info: &hub.ClientInfo{User: "42", Client: "abc", ConnInfo: []byte(`{"a":1}`), ChanInfo: []byte(`2`)}, Time: 1_700_000_000_123, Tick: 1_700_000_000, Exclude: "abc", ExcludeUser: "eve",
		}},
		{"anonymous", hub.Message{Info: &hub.ClientInfo{Client: "abc"}}},
		{"negative time", hub.Message{Time: -1, Tick: -1 << 63}},
		{"length of three bytes", hub.Message{Data: bytes.Repeat([]byte("7"), 1<<14)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseEnvelope(appendEnvelope(nil, &c.m))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&c.m, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(hub.Message{})); diff != "" {
				t.Errorf("the message changed on its way (-sent +received):\n%s", diff)
			}
		})
	}
}

func TestParseEnvelopeRefuses(t *testing.T) {
	for name, envelope := range map[string]string{
		"nothing":           "",
		"another version":   "\x02d\x01x",
		"text":              "hello",
		"tag alone":         "\x01d",
		"length cut short":  "\x01d\x80",
		"value cut short":   "\x01d\x05abcd",
		"length overflows":  "\x01d\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"length too long":   "\x01d\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"tags are no JSON":  "\x01g\x01{",
		"tags are a number": "\x01g\x011",
		"data is no JSON":   "\x01d\x03{x}",
		"data in lines":     "\x01d\x04[\n1]",
		"data not UTF-8":    "\x01d\x03\"\xff\"",
		"info of a channel": "\x01c\x01ah\x03{x}d\x011",
		"info of a client":  "\x01c\x01ai\x02{}}d\x011",
		"kind cut short":    "\x01j\x01\xff",
	} {
		t.Run(name, func(t *testing.T) {
			if m, err := parseEnvelope([]byte(envelope)); !errors.Is(err, errEnvelope) {
				t.Errorf("parseEnvelope(%q) = %+v, %v; want an errEnvelope", envelope, m, err)
			}
		})
	}
}

// A newer node may send fields that this one does not know.
func TestParseEnvelopeSkipsUnknownFields(t *testing.T) {
	envelope := appendField([]byte{envelopeVersion}, '?', "news from the future")
	m, err := parseEnvelope(appendField(envelope, tagData, "1"))
	if err != nil || string(m.Data) != "1" {
		t.Errorf("parseEnvelope = %+v, %v; want the data after the unknown field", m, err)
	}
}

// A message of a kind that only newer nodes know has whatever they know of.
func TestParseEnvelopeOfUnknownKind(t *testing.T) {
	for _, kind := range []string{"\x01\x03", "\x01\x7f", "\x02\xff\x01", "\x03\xff\xff\x03"} {
		m, err := parseEnvelope([]byte("\x01j" + kind + "d\x03{x}"))
		if err != nil || m.Kind.Known() {
			t.Errorf("kind %q: %+v, %v; want one that is not known", kind, m, err)
		}
	}
}

// What a message keeps of an envelope must not reach into the next field.
func TestParsedDataCannotGrowIntoTheRest(t *testing.T) {
	envelope := appendField([]byte{envelopeVersion}, tagData, "1")
	envelope = appendField(envelope, tagExclude, "abc")
	m, err := parseEnvelope(envelope)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(m.Data, "!!!!!"...)
	if again, err := parseEnvelope(envelope); err != nil || again.Exclude != "abc" {
		t.Errorf("after an append to the data the envelope reads %+v, %v", again, err)
	}
}
