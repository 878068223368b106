package load

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"belfry/cmd/internal/client"
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

// reads is a connection that brings these, one with each read.
type reads struct {
	net.Conn
	left [][]byte
}

func (r *reads) Read(b []byte) (n int, err error) {
	if len(r.left) == 0 {
		return 0, io.EOF
	}
	n = copy(b, r.left[0])
	r.left = r.left[1:]
	return n, nil
}

// textFrame is a frame as a server sends it, of 126 bytes or more.
func textFrame(text []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(len(text))), text...)
}

// TestNoAllocation holds reading to what the package promises.
func TestNoAllocation(t *testing.T) {
	prefix := newPrefix(1)
	s := newSubscriber(clock{time.Now()}, Centrifuge, prefix, 1)
	s.tally = &newTallies(1)[0]
	number := uint32(0)
	line := func() []byte {
		number++
		return fmt.Appendf(nil, `{"push":{"channel":"c","pub":{"data":"%s"}}}`, marked(prefix, stamp{number: number}, 128))
	}
	server := new(reads)
	for range 101 {
		one := textFrame(line())
		two := slices.Concat(line(), newline, line())
		server.left = append(server.left, append(one, textFrame(two)...))
	}
	s.conn = client.NewConn(server, s, 4096)
	allocations := testing.AllocsPerRun(100, func() {
		if err := s.conn.Receive(); err != nil {
			t.Fatal(err)
		}
	})
	if sum := s.tally.counts; allocations != 0 || sum.delivered != 303 || sum.late+sum.duplicated != 0 {
		t.Errorf("%v allocations for a read; counted %+v", allocations, sum)
	}
}
