package load

import (
	"fmt"
	"strings"
	"testing"
)

func marked(prefix string, s stamp, size int) []byte {
	b := []byte(prefix + strings.Repeat("x", size-prefixSize))
	s.put(b)
	return b
}

func TestMarker(t *testing.T) {
	prefix := newPrefix(0xbe1f)
	want := stamp{publisher: 1023, number: 4_000_000_000, due: 1<<62 + 12345}
	f := finder{prefix: prefix}
	for _, around := range []string{"%s", `{"push":{"channel":"c","pub":{"data":"%s"}}}`, "%s"} {
		line := fmt.Appendf(nil, around, marked(prefix, want, 128))
		if got, ok := f.find(line); !ok || got != want {
			t.Errorf("in %s: got %+v, %v", around, got, ok)
		}
	}
	other := marked(newPrefix(0xbe20), want, 128)
	short := marked(prefix, want, markerSize)[:markerSize-1]
	broken := marked(prefix, want, markerSize)
	broken[prefixSize] = 'g'
	for _, line := range [][]byte{nil, other, short, broken, []byte("{}")} {
		if got, ok := f.find(line); ok {
			t.Errorf("found %+v in %q", got, line)
		}
	}
}

// TestNoAllocation holds reading to what the package promises.
func TestNoAllocation(t *testing.T) {
	r := &run{Options: Options{Protocol: Centrifuge}, prefix: newPrefix(1)}
	s := &subscriber{run: r, tally: &newTallies(1)[0], finder: finder{prefix: r.prefix}, sequences: make([]sequence, 1)}
	s.conn = conn{listener: s, buf: make([]byte, 4096)}
	number := uint32(0)
	line := func() []byte {
		number++
		return fmt.Appendf(nil, `{"push":{"channel":"c","pub":{"data":"%s"}}}`, marked(r.prefix, stamp{number: number}, 128))
	}
	var reads [][]byte
	for range 101 {
		frames := serverFrame(0x81, string(line()))
		frames = append(frames, serverFrame(0x81, string(line())+"\n"+string(line()))...)
		reads = append(reads, frames)
	}
	i := 0
	allocations := testing.AllocsPerRun(100, func() {
		s.held = copy(s.buf, reads[i])
		if err := s.scan(); err != nil {
			t.Fatal(err)
		}
		i++
	})
	if sum := s.tally.counts; allocations != 0 || sum.delivered != 303 || sum.late+sum.duplicated != 0 {
		t.Errorf("%v allocations for a read; counted %+v", allocations, sum)
	}
}
