package web_test

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

// acceptedConns is a listener that remembers whom it has accepted.
type acceptedConns struct {
	net.Listener
	conns chan *net.TCPConn
}

func (l acceptedConns) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.conns <- c.(*net.TCPConn)
	}
	return c, err
}

// TestVanishedStreams wants the system to look after connections from which nothing is
// heard by themselves: a client that has vanished acknowledges nothing.
func TestVanishedStreams(t *testing.T) {
	s := newTestServer(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := acceptedConns{l, make(chan *net.TCPConn, 1)}
	server := &http.Server{Handler: s.web}
	go func() { _ = server.Serve(accepted) }() // ends with Close
	defer server.Close()
	for _, target := range []string{
		"GET /events?channel=chat", "GET /connection/sse?" + url.Values{"cf_connect": {connect}}.Encode(), "POST /connection/http_stream",
		"GET /ws/chat?via=events", "POST /ws/chat?via=stream",
	} {
		method, path, _ := strings.Cut(target, " ")
		body := ""
		if strings.HasSuffix(path, "http_stream") {
			body = connect
		}
		r, _ := http.NewRequest(method, "http://"+l.Addr().String()+path, strings.NewReader(body))
		r.Close = true // so that each has a connection of its own
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %v", target, response, err)
		}
		if got := unheardOf(t, <-accepted.conns); got != 20_000 {
			t.Errorf("%s: the system gives up after %d ms, want 20000", target, got)
		}
		response.Body.Close()
	}
}

// unheardOf is TCP_USER_TIMEOUT of a connection, in milliseconds.
func unheardOf(t *testing.T, c *net.TCPConn) (milliseconds int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { milliseconds, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, 18) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return milliseconds
}
