package wire_test

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"belfry/web/wire"
)

// masked is a frame of a client.
func masked(first byte, payload string) []byte {
	frame := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		frame = append(frame, 0x80|byte(n))
	case n <= 65535:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	mask := [4]byte{0xA1, 0x07, 0xFF, byte(len(payload))}
	frame = append(frame, mask[:]...)
	for i := range len(payload) {
		frame = append(frame, payload[i]^mask[i&3])
	}
	return frame
}

// TestTextCheck sends frames in pieces of many sizes. Bytes
// that are no text by themselves are valid when they go on in the next frame.
func TestTextCheck(t *testing.T) {
	const text, more, last, binaryLast, ping, goesOn = 0x01, 0x00, 0x80, 0x82, 0x89, 0x80
	long := strings.Repeat("späte Grüße ✓ 🔔", 100)
	type frame struct {
		first   byte
		payload string
	}
	for name, tc := range map[string]struct {
		frames []frame
		valid  bool
	}{
		"one frame":                       {[]frame{{0x81, "hellö ✓"}}, true},
		"a long one":                      {[]frame{{0x81, long}}, true},
		"a very long one":                 {[]frame{{0x81, strings.Repeat(long, 40)}}, true},
		"none":                            {[]frame{{0x81, ""}, {text, ""}, {last, ""}}, true},
		"a rune over three frames":        {[]frame{{text, "a\xF0"}, {more, "\x9F\x94"}, {goesOn, "\x94b"}}, true},
		"a ping within a rune":            {[]frame{{text, "a\xE2\x9C"}, {ping, "\xFF\xFE"}, {goesOn, "\x93"}}, true},
		"binary":                          {[]frame{{binaryLast, "\xFF\xFE\xFD"}, {0x02, "\xFF"}, {goesOn, "\xFE"}, {0x81, "a"}}, true},
		"text after half a rune of other": {[]frame{{0x02, "\xE2\x9C"}, {goesOn, ""}, {text, "\xE2\x9C"}, {goesOn, "\x93"}}, true},
		"bad in the first frame":          {[]frame{{text, "a\xFFb"}}, false},
		"bad in the second":               {[]frame{{text, "a\xE2\x9C"}, {more, "x"}}, false},
		"beyond what there is":            {[]frame{{text, "\xF4\x90"}}, false},
		"a surrogate":                     {[]frame{{text, "\xED\xA0"}}, false},
		"overlong":                        {[]frame{{text, "\xC0"}}, false},
		"after much that is good":         {[]frame{{text, long}, {more, long + "\xFF"}}, false},
		"after something else is broken":  {[]frame{{0x91, "\xFF"}, {text, "\xFF"}}, true},
		"behind a reserved opcode":        {[]frame{{0x83, "\xFF"}, {text, "\xFF"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var stream []byte
			for _, f := range tc.frames {
				stream = append(stream, masked(f.first, f.payload)...)
			}
			for _, size := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 16, 127, 320, 512, 1000, len(stream)} {
				var c wire.TextCheck
				valid := true
				for rest := stream; len(rest) > 0; {
					n := min(size, len(rest))
					valid = valid && c.Valid(rest[:n])
					rest = rest[n:]
				}
				if valid != tc.valid {
					t.Fatalf("in pieces of %d bytes: valid is %t, want %t", size, valid, tc.valid)
				}
			}
		})
	}
}

// TestTextCheckAgrees compares with what is said of whole messages, for random ones in
// random pieces.
func TestTextCheckAgrees(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	runes := []string{"a", "ö", "✓", "🔔", "\U0010FFFF"}
	for range 3000 {
		var message []string
		for range random.IntN(200) {
			message = append(message, runes[random.IntN(len(runes))])
		}
		whole := strings.Join(message, "")
		bad := random.IntN(2) == 0
		if bad {
			at := random.IntN(len(whole) + 1)
			whole = whole[:at] + "\xFF" + whole[at:]
		}
		cut := random.IntN(len(whole) + 1)
		stream := append(masked(0x01, whole[:cut]), masked(0x00, whole[cut:])...)
		var c wire.TextCheck
		valid := true
		for len(stream) > 0 {
			n := min(len(stream), 1+random.IntN(90))
			valid = valid && c.Valid(stream[:n])
			stream = stream[n:]
		}
		if valid == bad {
			t.Fatalf("%q cut at %d: valid is %t", whole, cut, valid)
		}
	}
}

func FuzzTextCheck(f *testing.F) {
	f.Add(masked(0x01, "a\xFF"), 3)
	f.Add(append(masked(0x01, "a\xE2"), masked(0x80, "\x9C\x93")...), 1)
	f.Add([]byte{0x81, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5}, 2)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		var c wire.TextCheck
		for size = 1 + max(0, size)%64; len(stream) > 0; {
			n := min(size, len(stream))
			_ = c.Valid(stream[:n]) // whatever it says, it comes back
			stream = stream[n:]
		}
	})
}
