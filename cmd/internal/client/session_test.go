package client

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// readSession returns what a session over HTTP with a small buffer brings, and
// what it writes.
func readSession(transport Transport, left ...[]byte) (got []string, written string, s *Session, err error) {
	r, p := new(recorder), &pieces{left: left}
	s = NewSession(transport, &url.URL{Host: "h", Path: "/ws/a b", RawQuery: "k=v"}, NewAcknowledger(nil, 1))
	c := NewConn(p, r, 16)
	c.session = s
	err = c.ReceiveAll()
	if r.depth != 0 {
		err = fmt.Errorf("Begin was called %d times more than End", r.depth)
	}
	return r.got, p.written.String(), s, err
}

// pollAnswer is an answer with a length.
func pollAnswer(lines ...string) string {
	body := strings.Join(lines, "\n") + "\n"
	return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

const (
	openLine  = `["open","n.s",""]`
	padding   = `["pad","    "]`
	oneLine   = `["m","one"]`
	twoLine   = `["m","two\ntwo"]`
	closeLine = `["close",1008,"too slow"]`
)

// TestLinesInAnyPieces cuts what a server sends at every two places.
func TestLinesInAnyPieces(t *testing.T) {
	lines := []string{padding, openLine, `["ping"]`, oneLine, twoLine, closeLine}
	again := func(got int) string {
		return fmt.Sprintf("POST /ws/a%%20b?k=v&via=poll&session=n.s&got=%d HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n", got)
	}
	cases := []struct {
		name      string
		transport Transport
		sent      string
		written   string
	}{
		{"stream", Stream, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n" + strings.Join(lines, "\n") + "\n", ""},
		{"events", Events, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n:  \n\ndata: " + strings.Join(lines, "\n\ndata: ") + "\n\n", ""},
		{"poll", Poll, pollAnswer(padding, openLine) + pollAnswer(`["ping"]`) + pollAnswer(oneLine, twoLine) + pollAnswer(closeLine), again(0) + again(0) + again(2)},
	}
	want := []string{oneLine, twoLine, "close 1008"}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			sent := []byte(tc.sent)
			for i := range sent {
				for j := i; j < len(sent); j += 7 {
					got, written, s, err := readSession(tc.transport, sent[:i:i], sent[i:j:j], sent[j:])
					if !slices.Equal(got, want) || !errors.Is(err, io.EOF) || s.name != "n.s" || s.got.Load() != 3 {
						t.Fatalf("cut at %d and %d: got %q, session %q, %d lines, %v", i, j, got, s.name, s.got.Load(), err)
					}
					if written != tc.written {
						t.Fatalf("cut at %d and %d: it asked\n%s\nwant\n%s", i, j, written, tc.written)
					}
				}
			}
		})
	}
}

func TestBadLines(t *testing.T) {
	good := "HTTP/1.1 200 OK\r\n\r\n"
	cases := []struct {
		name      string
		transport Transport
		sent      string
		want      string
	}{
		{"refused", Stream, "HTTP/1.1 404 Not Found\r\n\r\n", "404 Not Found to via=stream at /ws/a b"},
		{"no HTTP", Stream, "SSH-2.0\r\n\r\n", "does not speak HTTP"},
		{"long head", Stream, "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", maxHead), "more than 4096 bytes"},
		{"chunks", Events, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "chunks"},
		{"stream with an end", Stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "has not the length"},
		{"poll without an end", Poll, good, "has not the length"},
		{"length that is none", Poll, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", `length is "-5"`},
		{"poll that ends in a line", Poll, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + oneLine + "\n", "does not end with a line"},
		{"other lines", Stream, good + "hello\n", `"hello" is no line`},
		{"no name", Stream, good + `["open","",""]` + "\n", "is no line"},
		{"no code", Stream, good + `["close","x",""]` + "\n", "is no line"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got, _, _, err := readSession(tc.transport, []byte(tc.sent)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, %v; want an error with %q", got, err, tc.want)
			}
		})
	}
}

// TestAcknowledgementDue wants one after 64 KiB, and not two while one waits.
func TestAcknowledgementDue(t *testing.T) {
	sent := "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat(oneLine+"\n", 3*ackBytes/(len(oneLine)+1)+3)
	_, _, s, _ := readSession(Stream, []byte(sent))
	if n := len(s.acknowledger.due); n != 1 || !s.owing.Load() {
		t.Errorf("%d are due, owing %v; want one", n, s.owing.Load())
	}
	few := "HTTP/1.1 200 OK\r\n\r\n" + oneLine + "\n"
	if _, _, s, _ = readSession(Stream, []byte(few)); s.owing.Load() {
		t.Error("one is due after few bytes")
	}
}

func FuzzLines(f *testing.F) {
	f.Add(string(Stream), "HTTP/1.1 200 OK\r\n\r\n"+openLine+"\n"+closeLine+"\n")
	f.Add(string(Events), "HTTP/1.1 200 OK\r\n\r\n: \n\ndata: "+oneLine+"\n\n")
	f.Add(string(Poll), pollAnswer(openLine, twoLine)+pollAnswer(`["ping"]`))
	f.Fuzz(func(t *testing.T, transport, sent string) {
		got, _, s, err := readSession(Transport(transport), []byte(sent))
		if err == nil || uint64(len(got)) > s.got.Load() { // the last line may be at fault
			t.Errorf("%d messages, %d lines, %v", len(got), s.got.Load(), err)
		}
	})
}
