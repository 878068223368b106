package raw

import (
	"testing"

	"belfry/hub"
)

// quoted and bare are framings.
type quoted struct{}

func (quoted) AppendMessage(dst, payload []byte) []byte {
	return append(append(append(dst, '<'), payload...), '>')
}

type bare struct{ quoted }

// TestEncodersAreShared wants equal encoders to be equal to the hub, which makes
// frames once for all that are.
func TestEncodersAreShared(t *testing.T) {
	var a, b, other hub.Encoder = encoder{quoted{}}, encoder{quoted{}}, encoder{bare{}}
	if a != b || a == other {
		t.Errorf("two of one framing are equal: %t; of two: %t", a == b, a == other)
	}
}

// TestEncoder has a message as it is, and no word for joins and leaves.
func TestEncoder(t *testing.T) {
	ann := &hub.ClientInfo{Client: "ann"}
	for _, c := range []struct {
		message hub.Message
		want    string
	}{
		{hub.Message{Data: []byte(`"späte <Grüße>\n"`), Offset: 7, Info: ann}, "x<späte <Grüße>\n>"},
		{hub.Message{Data: []byte(`""`)}, "x<>"},
		{hub.Message{Data: []byte(`{"a":"b"}`)}, `x<{"a":"b"}>`},
		{hub.Message{Data: []byte(`1`)}, "x<1>"},
		{hub.Message{Kind: hub.KindJoin, Info: ann}, "x"},
		{hub.Message{Kind: hub.KindLeave, Info: ann}, "x"},
	} {
		if got := (encoder{quoted{}}).AppendFrame([]byte("x"), "chat", &c.message); string(got) != c.want {
			t.Errorf("%+v: got %q, want %q", c.message, got, c.want)
		}
	}
}

// TestRawData turns what a client says into JSON.
func TestRawData(t *testing.T) {
	for text, want := range map[string]string{
		"hi":           `"hi"`,
		"":             `""`,
		"1":            `"1"`,
		`"hi"`:         `"\"hi\""`,
		`{"a" : 1}`:    `{"a":1}`,
		`[1, 2]`:       `[1,2]`,
		`{"a" : 1`:     `"{\"a\" : 1"`,
		`[not] a list`: `"[not] a list"`,
		"<&>":          `"<&>"`,
	} {
		if got := string(rawData([]byte(text))); got != want {
			t.Errorf("%q is published as %s, want %s", text, got, want)
		}
	}
}
