package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
)

// serverFrame is a frame as a server sends it.
func serverFrame(head byte, payload string) []byte {
	b := []byte{head}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// pieces is a connection that is read in given pieces.
type pieces struct {
	net.Conn
	left    [][]byte
	written bytes.Buffer
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left[0])
	if p.left[0] = p.left[0][n:]; len(p.left[0]) == 0 {
		p.left = p.left[1:]
	}
	return n, nil
}

func (p *pieces) Write(b []byte) (int, error) { return p.written.Write(b) }

// recorder notes what a connection brings.
type recorder struct {
	got   []string
	depth int
}

func (r *recorder) Begin()           { r.depth++ }
func (r *recorder) End()             { r.depth-- }
func (r *recorder) Message(b []byte) { r.got = append(r.got, string(b)) }
func (r *recorder) Closing(code int) { r.got = append(r.got, fmt.Sprint("close ", code)) }

// readPieces returns what a connection with a small buffer brings.
func readPieces(left ...[]byte) (got []string, written []byte, err error) {
	r, p := new(recorder), &pieces{left: left}
	c := NewConn(p, r, 16)
	err = c.ReceiveAll()
	if r.depth != 0 {
		err = fmt.Errorf("Begin was called %d times more than End", r.depth)
	}
	return r.got, p.written.Bytes(), err
}

// TestFramesInAnyPieces cuts a stream at every two places.
func TestFramesInAnyPieces(t *testing.T) {
	long := strings.Repeat("long ", 60)
	stream := slices.Concat(
		serverFrame(0x81, "one"), serverFrame(0x81, ""), serverFrame(0x89, "are you there"), serverFrame(0x8a, ""),
		serverFrame(0x01, "in "), serverFrame(0x89, ""), serverFrame(0x00, "three "), serverFrame(0x80, "frames"),
		serverFrame(0x82, long), serverFrame(0x88, "\x03\xf0too slow"),
	)
	want := []string{"one", "", "in three frames", long, "close 1008"}
	var answers []byte
	for _, pong := range []string{"are you there", ""} {
		answers = appendFrame(answers, opPong, []byte(pong))
	}
	answers = appendFrame(answers, opClose, []byte("\x03\xf0too slow"))
	for i := range stream {
		for j := i; j < len(stream); j += 7 {
			got, written, err := readPieces(stream[:i:i], stream[i:j:j], stream[j:])
			if !slices.Equal(got, want) || !bytes.Equal(written, answers) || !errors.Is(err, io.EOF) {
				t.Fatalf("cut at %d and %d: got %q, wrote %q, %v", i, j, got, written, err)
			}
		}
	}
}

func TestFrameSizes(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 200_000} {
		text := strings.Repeat("s", size)
		got, _, err := readPieces(serverFrame(0x81, text), serverFrame(0x81, "next"))
		if !slices.Equal(got, []string{text, "next"}) || !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes: got %d messages, %v", size, len(got), err)
		}
		sent := appendFrame(nil, opText, []byte(text))
		sent[1] &^= 0x80 // a server's frame but for the mask
		sent = slices.Concat(sent[:len(sent)-size-4], sent[len(sent)-size:])
		maskPayload(sent[len(sent)-size:])
		if !bytes.Equal(sent, serverFrame(0x81, text)) {
			t.Errorf("%d bytes: a client's frame is %.20q", size, sent)
		}
	}
}

func TestBadFrames(t *testing.T) {
	cases := []struct{ name, stream, want string }{
		{"masked", "\x81\x81mask!", "masked"},
		{"reserved bit", "\xc1\x01!", "reserved"},
		{"too long", "\x82\x7f\x00\x00\x00\x00\x04\x00\x00\x01", "longer than"},
		{"length without end", "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "longer than"},
		{"continues nothing", "\x80\x01!", "do not follow"},
		{"begins twice", "\x01\x01!\x81\x01!", "do not follow"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got, _, err := readPieces([]byte(tc.stream)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, %v; want an error with %q", got, err, tc.want)
			}
		})
	}
}

func FuzzScanFrame(f *testing.F) {
	f.Add(serverFrame(0x81, "text"))
	f.Add([]byte("\x82\x7e\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, size, err := scanFrame(b)
		switch {
		case err != nil:
		case size < 2 || size > len(b) && got.payload != nil:
			t.Errorf("size %d of %d bytes, payload %q", size, len(b), got.payload)
		case size <= len(b) && !bytes.HasSuffix(b[:size], got.payload):
			t.Errorf("payload %q is not at the end of %q", got.payload, b[:size])
		}
	})
}
