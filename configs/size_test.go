package configs

import (
	"math"
	"testing"
)

func TestSize(t *testing.T) {
	tests := []struct {
		text string
		want Size
		back string
	}{
		{"0", 0, "0B"},
		{"1", 1, "1B"},
		{"512B", 512, "512B"},
		{"1000", 1000, "1000B"},
		{"1024", 1024, "1KiB"},
		{"64KiB", 65536, "64KiB"},
		{"1024KiB", 1 << 20, "1MiB"},
		{"3MiB", 3 << 20, "3MiB"},
		{"2GiB", 2 << 30, "2GiB"},
		{"9223372036854775807", math.MaxInt64, "9223372036854775807B"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			var s Size
			if err := s.UnmarshalText([]byte(test.text)); err != nil || s != test.want {
				t.Errorf("%q: got %d, %v, want %d", test.text, s, err, test.want)
			}
			if got := s.String(); got != test.back {
				t.Errorf("%d: got %s, want %s", s, got, test.back)
			}
		})
	}
}

func TestSizeFaults(t *testing.T) {
	for _, text := range []string{"", "B", "KiB", "-1", "+1", "1.5MiB", "1 MiB", "1MB", "1mib", "1KiBKiB", "0x10", "1_000", "9223372036854775808", "9223372036854775807KiB", "8589934592GiB"} {
		t.Run(text, func(t *testing.T) {
			s := Size(7)
			if err := s.UnmarshalText([]byte(text)); err == nil || s != 7 {
				t.Errorf("%q: got %d, %v, want an error and no change", text, s, err)
			}
		})
	}
}
