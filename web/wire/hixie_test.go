package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"belfry/web/wire"
)

// streamConn is a connection of which only reading matters, and that without
// deadlines.
type streamConn struct {
	net.Conn
	io.Reader
}

func (c streamConn) Read(p []byte) (int, error)    { return c.Reader.Read(p) }
func (streamConn) SetReadDeadline(time.Time) error { return nil }

// readHixie reads messages to the error that ends them.
func readHixie(in io.Reader, limit int, closing bool) (messages []string, err error) {
	r := wire.NewHixieReader(streamConn{Reader: in}, limit, time.Minute, closing)
	for {
		text, err := r.Next()
		if err != nil {
			return messages, err
		}
		messages = append(messages, string(text))
	}
}

const hixieLimit = 1000

var hixieCases = []struct {
	name    string
	in      string
	closing bool
	want    []string
	err     error
}{
	{"one message", "\x00hello\xff", true, []string{"hello"}, io.EOF},
	{"several", "\x00a\xff\x00\xff\x00späte Grüße ✓\xff", true, []string{"a", "", "späte Grüße ✓"}, io.EOF},
	{"at the buffer's size", "\x00" + strings.Repeat("x", 511) + "\xff\x00y\xff", true, []string{strings.Repeat("x", 511), "y"}, io.EOF},
	{"longer than the buffer", "\x00" + strings.Repeat("x", 900) + "\xff\x00y\xff", true, []string{strings.Repeat("x", 900), "y"}, io.EOF},
	{"at the limit", "\x00" + strings.Repeat("x", hixieLimit) + "\xff", true, []string{strings.Repeat("x", hixieLimit)}, io.EOF},
	{"over the limit", "\x00" + strings.Repeat("x", hixieLimit+1) + "\xff", true, nil, wire.ErrTooLong},
	{"over the limit, without an end", "\x00" + strings.Repeat("x", hixieLimit+513), true, nil, wire.ErrTooLong},
	{"FF in the middle ends a message", "\x00ab\xffcd\xff\x00e\xff", true, []string{"ab", "e"}, io.EOF},
	{"not UTF-8 is left to the caller", "\x00a\x80b\xff", true, []string{"a\x80b"}, io.EOF},
	{"another type is read over", "\x01hello\x00there\xff\x00a\xff", true, []string{"a"}, io.EOF},
	{"another type, long", "\x7f" + strings.Repeat("x", 9000) + "\xff\x00a\xff", true, []string{"a"}, io.EOF},
	{"a length is read over", "\x80\x03\x00\xff\x00\x00a\xff", true, []string{"a"}, io.EOF},
	{"a length of two groups", "\x80\x81\x02" + strings.Repeat("\xff", 130) + "\x00a\xff", true, []string{"a"}, io.EOF},
	{"a length over the limit", "\x81\xbd\x00" + strings.Repeat("\x00", 61<<7) + "\x00a\xff", true, []string{"a"}, io.EOF},
	{"a length of nothing", "\x80\x00\x00a\xff", true, []string{"a"}, io.EOF},
	{"a length in nine groups", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01z\x00a\xff", true, []string{"a"}, io.EOF},
	{"a length in ten groups", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01z", true, nil, wire.ErrHixieLength},
	{"the longest length", "\x80\xff\xff\xff\xff\xff\xff\xff\xff\x7fabc", true, nil, io.EOF},
	{"closing handshake", "\x00a\xff\xff\x00\x00b\xff", true, []string{"a"}, wire.ErrHixieClose},
	{"closing handshake, wordy", "\xff\x80\x00\x00b\xff", true, nil, wire.ErrHixieClose},
	{"FF with a length", "\xff\x01z\x00b\xff", true, []string{"b"}, io.EOF},
	{"no closing handshake in hixie-75", "\x00a\xff\xff\x00\x00b\xff", false, []string{"a", "b"}, io.EOF},
	{"an end within a message", "\x00abc", true, nil, io.EOF},
	{"an end within a length", "\x80\x81", true, nil, io.EOF},
}

func TestHixieReader(t *testing.T) {
	for _, tc := range hixieCases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readHixie(strings.NewReader(tc.in), hixieLimit, tc.closing)
			if !slices.Equal(got, tc.want) || !errors.Is(err, tc.err) {
				t.Errorf("got %q, %v; want %q, %v", got, err, tc.want, tc.err)
			}
		})
	}
}

// However the bytes are cut, the messages are the same.
func TestHixieReaderSplit(t *testing.T) {
	for _, tc := range hixieCases {
		t.Run(tc.name, func(t *testing.T) {
			check := func(how string, in io.Reader) {
				got, err := readHixie(in, hixieLimit, tc.closing)
				if !slices.Equal(got, tc.want) || !errors.Is(err, tc.err) {
					t.Errorf("%s: got %.80q, %v; want %.80q, %v", how, got, err, tc.want, tc.err)
				}
			}
			check("bytes", iotest.OneByteReader(strings.NewReader(tc.in)))
			for cut := range min(len(tc.in), 1100) {
				check(fmt.Sprintf("cut at %d", cut), io.MultiReader(strings.NewReader(tc.in[:cut]), strings.NewReader(tc.in[cut:])))
			}
		})
	}
}

func TestAppendHixie(t *testing.T) {
	for _, tc := range []struct{ payload, want string }{
		{"", "\x00\xff"},
		{"hello", "\x00hello\xff"},
		{"späte Grüße ✓", "\x00späte Grüße ✓\xff"},
		{"a\xff\x00b", "\x00a\uFFFD\x00b\xff"},
	} {
		if got := wire.AppendHixie([]byte("before"), []byte(tc.payload)); string(got) != "before"+tc.want {
			t.Errorf("%q: got %q, want %q", tc.payload, got, tc.want)
		}
	}
}

// TestHixieWait has a message that does not come to its end, and one that takes
// its time to begin.
func TestHixieWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer client.Close()
		defer server.Close()
		r := wire.NewHixieReader(server, hixieLimit, time.Minute, true)
		go func() {
			time.Sleep(time.Hour)
			_, _ = io.WriteString(client, "\x01 not kept")
			time.Sleep(time.Hour)
			_, _ = io.WriteString(client, " for long\xff\x00he")
			time.Sleep(59 * time.Second)
			_, _ = io.WriteString(client, "llo\xff")
			time.Sleep(time.Hour)
			_, _ = io.WriteString(client, "\x00never")
		}()
		if text, err := r.Next(); string(text) != "hello" || err != nil {
			t.Fatalf("got %q, %v; want hello", text, err)
		}
		start := time.Now()
		if text, err := r.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %q, %v; want a deadline", text, err)
		}
		if took := time.Since(start); took != time.Hour+time.Minute {
			t.Errorf("the unfinished message was given up after %v", took)
		}
	})
}

// FuzzHixieReader compares with a reading of the whole at once.
func FuzzHixieReader(f *testing.F) {
	for _, tc := range hixieCases {
		f.Add([]byte(tc.in), uint8(3), tc.closing)
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8, closing bool) {
		want, wantErr := wholeHixie(in, hixieLimit, closing)
		got, err := readHixie(&stepReader{in, int(step) + 1}, hixieLimit, closing)
		if !slices.Equal(got, want) || !errors.Is(err, wantErr) {
			t.Errorf("%q by %d: got %q, %v; want %q, %v", in, step, got, err, want, wantErr)
		}
	})
}

// stepReader brings so many bytes at a time.
type stepReader struct {
	rest []byte
	step int
}

func (r *stepReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// wholeHixie is the drafts' text, over bytes that are all there.
func wholeHixie(in []byte, limit int, closing bool) (messages []string, err error) {
	for len(in) > 0 {
		kind := in[0]
		in = in[1:]
		if kind < 0x80 {
			end := bytes.IndexByte(in, 0xFF)
			switch {
			case kind == 0 && (end > limit || end < 0 && len(in) >= max(limit+1, 512) && over(in, limit)):
				return messages, wire.ErrTooLong
			case end < 0:
				return messages, io.EOF
			case kind == 0:
				messages = append(messages, string(in[:end]))
			}
			in = in[end+1:]
			continue
		}
		length, groups := uint64(0), 0
		for more := true; more; groups++ {
			switch {
			case groups == 9:
				return messages, wire.ErrHixieLength
			case groups == len(in):
				return messages, io.EOF
			}
			length, more = length<<7|uint64(in[groups]&0x7F), in[groups]&0x80 != 0
		}
		in = in[groups:]
		switch {
		case closing && kind == 0xFF && length == 0:
			return messages, wire.ErrHixieClose
		case length > uint64(len(in)):
			return messages, io.EOF
		}
		in = in[length:]
	}
	return messages, io.EOF
}

// over reports whether an unfinished message is noticed to be over the limit: it
// is looked at when the buffer is full.
func over(in []byte, limit int) bool { return len(in)/512*512 > limit }
