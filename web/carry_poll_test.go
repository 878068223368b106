package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"belfry/hub/hubtest"
)

// rawConn is a client that writes requests by hand.
type rawConn struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func (s *testServer) raw(t testing.TB) *rawConn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(hubtest.Patience))
	return &rawConn{t, conn, bufio.NewReader(conn)}
}

// answer reads a response.
func (c *rawConn) answer() (status int, body string) {
	c.t.Helper()
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// request writes a request and reads its response.
func (c *rawConn) request(format string, args ...any) (status int, body string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		c.t.Fatal(err)
	}
	return c.answer()
}

// open opens a session by a poll and returns its name.
func (c *rawConn) open(path string) string {
	c.t.Helper()
	status, body := c.request("POST %s?via=poll HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", path)
	parts := strings.Split(body, `"`)
	if status != http.StatusOK || len(parts) < 4 {
		c.t.Fatalf("open: %d %q", status, body)
	}
	return parts[3]
}

const pollHead = " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"

// TestPollsOnOneConnection makes polls, and then other requests, on the connection
// of the first.
func TestPollsOnOneConnection(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	c := s.raw(t)
	name := c.open("/ws/chat")
	for i := range 20 {
		s.publish(t, "chat", fmt.Sprint(i))
		got := c.poll("/ws/chat", name, i)
		if want := fmt.Sprintf("[\"m\",\"%d\"]\n", i); got != want {
			t.Fatalf("poll %d: %q, want %q", i, got, want)
		}
		switch i {
		case 5: // a request of another kind, and back
			if status, _ := c.request("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); status != http.StatusOK {
				t.Errorf("healthz: %d", status)
			}
		case 7: // typed by hand, with lines that end as they do on a terminal
			if status, _ := c.request("GET /healthz HTTP/1.1\nHost: x\n\n"); status != http.StatusOK {
				t.Errorf("healthz: %d", status)
			}
		case 10: // what the polls of one connection have in common changes
			if status, body := c.request("POST /ws/chat?via=poll&session=%s&got=%d HTTP/1.1\r\nHost: x\r\nOrigin: https://bad.example\r\nContent-Length: 0\r\n\r\n", name, i); status != http.StatusForbidden {
				t.Errorf("another origin: %d %s", status, body)
			}
		case 15: // long headers
			if status, _ := c.request("POST /ws/chat?via=send&session=%s HTTP/1.1\r\nHost: x\r\nCookie: %s\r\nContent-Length: 0\r\n\r\n", name, strings.Repeat("c", 20_000)); status != http.StatusOK {
				t.Errorf("long headers: %d", status)
			}
		}
	}
	if status, body := c.request("POST /ws/chat?via=poll&session=%s&got=99"+pollHead, name); status != http.StatusBadRequest || !strings.Contains(body, "got: ") {
		t.Errorf("got too much: %d %s", status, body)
	}
	if status, body := c.request("POST /ws/chat?via=poll&session=%s&got=0"+pollHead, "a.b"); status != http.StatusNotFound {
		t.Errorf("unknown session: %d %s", status, body)
	}
}

func (c *rawConn) poll(path, name string, got int) string {
	c.t.Helper()
	status, body := c.request("POST %s?via=poll&session=%s&got=%d"+pollHead, path, name, got)
	if status != http.StatusOK {
		c.t.Fatalf("poll: %d %s", status, body)
	}
	return body
}

// TestPollSplit has a poll arrive in two pieces, cut everywhere, on the connection
// of another.
func TestPollSplit(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	c := s.raw(t)
	name := c.open("/echo")
	said := 0
	request := fmt.Sprintf("POST /echo?via=poll&session=%s&got=0"+pollHead, name)
	for cut := range len(request) {
		said++
		s.post(t, "/echo?via=send&session="+name+fmt.Sprintf("&first=%d", said), `"x"`)
		if _, err := io.WriteString(c, request[:cut]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // so that they are two segments
		if status, body := c.request("%s", request[cut:]); status != http.StatusOK || !strings.Contains(body, `["m","x"]`) {
			t.Fatalf("cut at %d: %d %q", cut, status, body)
		}
	}
}

func (s *testServer) post(t testing.TB, url, body string) {
	t.Helper()
	r, err := http.NewRequest("POST", s.URL+url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if status, _, answer := do(t, r); status != http.StatusOK {
		t.Fatalf("%s: %d %s", url, status, answer)
	}
}

// TestPollClientGoes notices when the client of a poll that waits has gone.
func TestPollClientGoes(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	c := s.raw(t)
	name := c.open("/ws/chat")
	fmt.Fprintf(c, "POST /ws/chat?via=poll&session=%s&got=0"+pollHead, name)
	c.Close()
	s.publish(t, "chat", `"kept"`)
	other := s.raw(t)
	if got := other.poll("/ws/chat", name, 0); got != "[\"m\",\"kept\"]\n" {
		t.Errorf("another connection hears %q", got)
	}
}
