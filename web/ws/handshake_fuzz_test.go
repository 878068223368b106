package ws

import (
	"math/big"
	"strings"
	"testing"
)

var hixieKeyCases = []struct {
	name, key string
	want      uint32
	ok        bool
}{
	{"first of the draft", "4 @1  46546xW%0l 1 5", 829309203, true},
	{"second of the draft", "12998 5 Y3 1  .P00", 259970620, true},
	{"the largest", "4294967295 x", 4294967295, true},
	{"the largest of many spaces", "51539607540" + strings.Repeat(" x", 12), 4294967295, true},
	{"nothing", "x x", 0, true},
	{"one more", "4294967296 x", 0, false},
	{"no space", "12345", 0, false},
	{"a tab is no space", "1\t5", 0, false},
	{"a remainder", "1 2 5", 0, false},
	{"over 64 bits", "18446744073709551616 x", 0, false},
	{"over 64 bits, and small again", "1844674407370955161600000000002 x", 0, false},
	{"empty", "", 0, false},
	{"too long", "1 " + strings.Repeat("x", maxHixieKey-1), 0, false},
	{"as long as it may be", "1 " + strings.Repeat("x", maxHixieKey-2), 1, true},
}

func TestHixieKey(t *testing.T) {
	for _, tc := range hixieKeyCases {
		if got, err := hixieKey(tc.key); got != tc.want || (err == nil) != tc.ok {
			t.Errorf("%s: %q: got %d, %v; want %d, %t", tc.name, tc.key, got, err, tc.want, tc.ok)
		}
	}
}

// FuzzHixieKey compares with arithmetic that has no bounds.
func FuzzHixieKey(f *testing.F) {
	for _, tc := range hixieKeyCases {
		f.Add(tc.key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		digits := strings.Map(func(c rune) rune {
			if c >= '0' && c <= '9' {
				return c
			}
			return -1
		}, key)
		number, _ := new(big.Int).SetString("0"+digits, 10)
		spaces := big.NewInt(int64(strings.Count(key, " ")))
		want, ok := uint32(0), false
		if spaces.Sign() > 0 {
			quotient, remainder := new(big.Int).DivMod(number, spaces, new(big.Int))
			ok = remainder.Sign() == 0 && quotient.BitLen() <= 32 && len(key) <= maxHixieKey
			want = uint32(quotient.Uint64())
		}
		if !ok {
			want = 0
		}
		if got, err := hixieKey(key); got != want || (err == nil) != ok {
			t.Errorf("%q: got %d, %v; want %d, %t", key, got, err, want, ok)
		}
	})
}
