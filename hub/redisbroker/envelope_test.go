package redisbroker

import (
	"bytes"
	"errors"
	"reflect"
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
			Kind: hub.KindLeave, Info: &hub.ClientInfo{User: "42", Client: "abc", ConnInfo: []byte(`{"a":1}`), ChanInfo: []byte(`2`)}, Time: 1_700_000_000_123, Tick: 1_700_000_000, Exclude: "abc",
		}},
		{"anonymous", hub.Message{Info: &hub.ClientInfo{Client: "abc"}}},
		{"negative time", hub.Message{Time: -1, Tick: -1 << 63}},
		{"length of three bytes", hub.Message{Data: bytes.Repeat([]byte("d"), 1<<14)}},
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

func FuzzParseEnvelope(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(appendEnvelope(nil, &hub.Message{}))
	f.Add(appendEnvelope(nil, &hub.Message{Data: []byte(`{}`), Tags: map[string]string{"a": "b"}, Time: 1, Tick: 2, Exclude: "x"}))
	f.Add(appendEnvelope(nil, &hub.Message{Info: &hub.ClientInfo{User: "u", Client: "c"}}))
	f.Add([]byte("\x01d\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseEnvelope(b)
		if err != nil {
			return
		}
		again, err := parseEnvelope(appendEnvelope(nil, m))
		if err != nil {
			t.Fatalf("%q reads %+v, whose own envelope does not read: %v", b, m, err)
		}
		if m.Info != nil && reflect.DeepEqual(*m.Info, hub.ClientInfo{}) {
			m.Info = nil // nobody in particular
		}
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(hub.Message{})); diff != "" {
			t.Fatalf("%q reads differently from its own envelope (-first +second):\n%s", b, diff)
		}
	})
}
