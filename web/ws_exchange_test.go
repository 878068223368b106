package web_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"belfry/hub/hubtest"
	"belfry/web"
)

// rawExchange is what a client and the server say to each other, byte by byte.
type rawExchange []turn

// turn is what one side says until the other one does.
type turn struct {
	client bool
	text   string
	closes bool // the server closes
}

// dateMark stands for a date in what the server says.
const dateMark = "{date}"

// readExchange reads a file of testdata/exchanges. A line begins with > for the
// client, < for the server, and has bytes as in a Go string behind it, but for
// quotation marks; ! is for the server closing the connection and # for comments.
func readExchange(t *testing.T, file string) (e rawExchange) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		mark, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(rest, `"`, `\"`) + `"`)
		switch {
		case err != nil:
			t.Fatalf("%s: %s: %v", file, line, err)
		case mark == "#":
			continue
		case mark == "!":
			e = append(e, turn{closes: true})
			continue
		case len(e) == 0 || e[len(e)-1].client != (mark == ">"):
			e = append(e, turn{client: mark == ">"})
		}
		e[len(e)-1].text += text
	}
	return e
}

// eachExchange runs a test for each file, on a server of its own.
func eachExchange(t *testing.T, test func(t *testing.T, s *testServer, e rawExchange)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "exchanges", "*.txt"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d exchanges, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			test(t, newTestServer(t, withLegacy), readExchange(t, file))
		})
	}
}

func withLegacy(o *web.Options) { o.Legacy = true }

// dialTCP opens a connection that does not wait for ever.
func (s *testServer) dialTCP(t testing.TB) *net.TCPConn {
	t.Helper()
	return dialTCP(t, s.Listener.Addr().String())
}

// dialDeaf opens a connection for a client that is not going to read. Little is
// kept on its way, so that the server soon feels it.
func (s *testServer) dialDeaf(t testing.TB) *net.TCPConn {
	t.Helper()
	conn := dialTCP(t, hubtest.NewProxy(t, s.Listener.Addr().String()).Addr())
	_ = conn.SetReadBuffer(32 << 10)
	return conn
}

func dialTCP(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(hubtest.Patience))
	return conn.(*net.TCPConn)
}

// play says what the client says by the given function and compares what comes.
func (e rawExchange) play(conn net.Conn, say func(turn int, text string) error) error {
	for i, turn := range e {
		var err error
		switch {
		case turn.client:
			err = say(i, turn.text)
		case turn.closes:
			if got, end := io.ReadAll(conn); end != nil || strings.ReplaceAll(string(got), ping, "") != "" {
				err = fmt.Errorf("got %q, %v; want the end", got, end)
			}
		default:
			err = expectBytes(conn, turn.text)
		}
		if err != nil {
			return fmt.Errorf("turn %d: %w", i, err)
		}
	}
	return nil
}

// expectBytes reads what is wanted, and compares.
func expectBytes(conn net.Conn, want string) error {
	for i, part := range strings.Split(want, dateMark) {
		if i > 0 {
			if date, err := readBytes(conn, len(http.TimeFormat)); err != nil || !isDate(date) {
				return fmt.Errorf("got %q, %v in place of a date", date, err)
			}
		}
		if got, err := readWithoutPings(conn, part); err != nil || got != part {
			return fmt.Errorf("got %q, %v\nwant %q", got, err, part)
		}
	}
	return nil
}

// ping is what any client of RFC 6455 hears when its turn comes, which may be at once.
const ping = "\x89\x00"

// readWithoutPings reads as many bytes as are wanted, and leaves out pings that are not.
func readWithoutPings(conn net.Conn, want string) (string, error) {
	got, err := readBytes(conn, len(want))
	for err == nil && got != want {
		same := 0
		for same < len(got) && got[same] == want[same] {
			same++
		}
		if got[same] != ping[0] {
			break
		}
		var more string
		more, err = readBytes(conn, len(ping))
		got = got[:same] + (got[same:] + more)[len(ping):]
	}
	return got, err
}

// readBytes reads so many bytes, or those that come before an error.
func readBytes(conn net.Conn, n int) (string, error) {
	buf := make([]byte, n)
	n, err := io.ReadFull(conn, buf)
	return string(buf[:n]), err
}

func TestExchanges(t *testing.T) {
	eachExchange(t, func(t *testing.T, s *testServer, e rawExchange) {
		conn := s.dialTCP(t)
		err := e.play(conn, func(_ int, text string) error {
			_, err := io.WriteString(conn, text)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestExchangesByteByByte sends every byte in a segment of its own.
func TestExchangesByteByByte(t *testing.T) {
	eachExchange(t, func(t *testing.T, s *testServer, e rawExchange) {
		conn := s.dialTCP(t)
		err := e.play(conn, func(_ int, text string) error {
			for i := range len(text) {
				if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
					return err
				}
				time.Sleep(200 * time.Microsecond) // so that they are segments
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestExchangesCut cuts what the client says at every byte, once each.
func TestExchangesCut(t *testing.T) {
	eachExchange(t, func(t *testing.T, s *testServer, e rawExchange) {
		e = e.withoutDates()
		for i, turn := range e {
			for cut := 1; turn.client && cut < len(turn.text); cut++ {
				conn := s.dialTCP(t)
				err := e.play(conn, func(now int, text string) error {
					if now == i {
						if _, err := io.WriteString(conn, text[:cut]); err != nil {
							return err
						}
						time.Sleep(time.Millisecond) // so that they are two segments
						text = text[cut:]
					}
					_, err := io.WriteString(conn, text)
					return err
				})
				_ = conn.Close()
				if err != nil {
					t.Errorf("turn %d cut at %d: %v", i, cut, err)
				}
			}
		}
	})
}

// withoutDates leaves out the dates at the end, which take a second each.
func (e rawExchange) withoutDates() rawExchange {
	last := &e[len(e)-1]
	if at := strings.Index(last.text, "\x00"+dateMark); at >= 0 {
		last.text = last.text[:at]
	}
	return e
}
