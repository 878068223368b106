package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"belfry/web/wire"
)

// frame is one WebSocket frame as a client sees it.
type frame struct {
	opcode  byte
	payload []byte
}

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
)

// readFrame reads one unmasked frame and is as strict as RFC 6455 section 5.2.
// It returns io.EOF only between frames.
func readFrame(r io.Reader) (frame, error) {
	var head [2]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, whole(n, err)
	}
	if head[0]&0xf0 != 0x80 {
		return frame{}, fmt.Errorf("first byte %#x: want FIN and no reserved bits", head[0])
	}
	n, err := readLength(r, head[1])
	if err != nil {
		return frame{}, err
	}
	f := frame{opcode: head[0] & 0xf, payload: make([]byte, n)}
	if f.opcode >= 8 && n > 125 {
		return frame{}, fmt.Errorf("a control frame of %d bytes", n)
	}
	if f.opcode != opText && f.opcode != opClose && f.opcode != opPing {
		return frame{}, fmt.Errorf("opcode %#x", f.opcode)
	}
	if m, err := io.ReadFull(r, f.payload); err != nil {
		return frame{}, whole(m+2, err)
	}
	return f, nil
}

// readLength reads the rest of a length, which has to be in the shortest form.
func readLength(r io.Reader, second byte) (uint64, error) {
	var b [8]byte
	switch {
	case second > 127:
		return 0, errors.New("a masked frame")
	case second == 126:
		if _, err := io.ReadFull(r, b[6:]); err != nil {
			return 0, whole(1, err)
		}
	case second == 127:
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, whole(1, err)
		}
	default:
		return uint64(second), nil
	}
	n := binary.BigEndian.Uint64(b[:])
	if n < 126 || second == 127 && n < 1<<16 || n > 1<<24 {
		return 0, fmt.Errorf("length %d is not in its shortest form, or too much", n)
	}
	return n, nil
}

// whole says that a frame was cut off when some of it was read.
func whole(n int, err error) error {
	if n > 0 && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func TestAppendText(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			payload := bytes.Repeat([]byte("p"), n)
			got := wire.AppendText([]byte("before"), payload)
			rest := bytes.NewReader(got[len("before"):])
			f, err := readFrame(rest)
			if err != nil || f.opcode != opText || !bytes.Equal(f.payload, payload) {
				t.Fatalf("a text of %d bytes reads as opcode %d with %d bytes, %v", n, f.opcode, len(f.payload), err)
			}
			if rest.Len() != 0 || !bytes.HasPrefix(got, []byte("before")) {
				t.Errorf("%d bytes are left over, and it starts with %.6q", rest.Len(), got)
			}
		})
	}
}

func TestAppendClose(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   int
		reason string
		want   string
	}{
		{"no reason", 1000, "", ""},
		{"short", 1001, "going away", "going away"},
		{"private code", 4999, "x", "x"},
		{"longest", 1000, strings.Repeat("r", 123), strings.Repeat("r", 123)},
		{"too long", 1000, strings.Repeat("r", 124), strings.Repeat("r", 123)},
		{"much too long", 1000, strings.Repeat("r", 100_000), strings.Repeat("r", 123)},
		{"cut before a rune", 1000, strings.Repeat("r", 122) + "é", strings.Repeat("r", 122)},
		{"cut before a long rune", 1000, strings.Repeat("r", 120) + "🔔", strings.Repeat("r", 120)},
		{"cut behind a rune", 1000, strings.Repeat("r", 121) + "é!", strings.Repeat("r", 121) + "é"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := readFrame(bytes.NewReader(wire.AppendClose(nil, c.code, c.reason)))
			if err != nil || f.opcode != opClose || len(f.payload) < 2 {
				t.Fatalf("it reads as %+v, %v", f, err)
			}
			code, reason := int(binary.BigEndian.Uint16(f.payload)), string(f.payload[2:])
			if code != c.code || reason != c.want {
				t.Errorf("it says %d %q, want %d %q", code, reason, c.code, c.want)
			}
			if !utf8.ValidString(reason) {
				t.Errorf("the reason %q is not UTF-8", reason)
			}
		})
	}
}

func FuzzAppendText(f *testing.F) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		f.Add([]byte("dst"), bytes.Repeat([]byte("p"), n))
	}
	f.Fuzz(func(t *testing.T, dst, payload []byte) {
		got := wire.AppendText(bytes.Clone(dst), payload)
		if !bytes.HasPrefix(got, dst) {
			t.Fatal("what was there before has changed")
		}
		r := bytes.NewReader(got[len(dst):])
		if f, err := readFrame(r); err != nil || f.opcode != opText || !bytes.Equal(f.payload, payload) || r.Len() > 0 {
			t.Fatalf("the frame of %q reads as %+v, %v, with %d bytes left", payload, f, err, r.Len())
		}
	})
}

func FuzzAppendClose(f *testing.F) {
	f.Add(1000, "bye")
	f.Add(4000, strings.Repeat("鐘", 60))
	f.Fuzz(func(t *testing.T, code int, reason string) {
		f, err := readFrame(bytes.NewReader(wire.AppendClose(nil, code, reason)))
		if err != nil || f.opcode != opClose || !strings.HasPrefix(reason, string(f.payload[2:])) {
			t.Fatalf("the frame of %d %q reads as %+v, %v", code, reason, f, err)
		}
		if utf8.ValidString(reason) && !utf8.Valid(f.payload[2:]) {
			t.Fatalf("the reason %q is cut inside a rune", reason)
		}
	})
}
