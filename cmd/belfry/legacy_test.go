package main

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"belfry/configs"
	"belfry/hub/hubtest"
	"belfry/policy"
)

// TestLegacy asks for a policy file on the HTTP port, and for a WebSocket as it
// was done before RFC 6455, where that is switched on and where it is not.
func TestLegacy(t *testing.T) {
	const shell = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
	on := runProgram(t, nil)
	off := runProgram(t, func(c *configs.Config) { c.Legacy.Enabled = false })
	cases := []struct {
		name          string
		server        serverURL
		request, want string
	}{
		{"policy, on", on, "<policy-file-request/>\x00", `<allow-access-from domain="localhost"`},
		{"hixie-75, on", on, shell, "HTTP/1.1 101 Web Socket Protocol Handshake\r\n"},
		{"policy, off", off, "<policy-file-request/>\x00\r\n\r\n", "HTTP/1.1 400 "},
		{"hixie-75, off", off, shell, "legacy.enabled"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			u, err := url.Parse(string(tc.server))
			if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", u.Host)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(hubtest.Patience))
			if _, err := io.WriteString(conn, tc.request); err != nil {
				t.Fatal(err)
			}
			var answer strings.Builder
			for err == nil && !strings.Contains(answer.String(), tc.want) {
				_, err = io.CopyN(&answer, conn, 1)
			}
			if err != nil {
				t.Errorf("got %q, %v; want %q", answer.String(), err, tc.want)
			}
		})
	}
}

// TestTypedByHand has somebody type the tutorial's handshake, four seconds a
// line, and somebody who types nothing.
func TestTypedByHand(t *testing.T) {
	for _, tc := range []struct {
		name, typed, want string
		took              time.Duration
	}{
		{"a handshake", "GET /echo HTTP/1.1\nHost: localhost\nConnection: Upgrade\nUpgrade: WebSocket\n\n",
			"HTTP/1.1 101 Web Socket Protocol Handshake\r\n", 20 * time.Second},
		{"nothing", "", "", 30 * time.Second},
		{"half a line", "GET /echo", "HTTP/1.1 400 Bad Request\r\n", 30 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, start := dialPipe(t), time.Now()
				for line := range strings.Lines(tc.typed) {
					time.Sleep(4 * time.Second)
					if _, err := io.WriteString(conn, line); err != nil {
						t.Fatalf("%q: %v", line, err)
					}
				}
				answer, err := bufio.NewReader(conn).ReadString('\n')
				if answer != tc.want || (err == io.EOF) != (tc.want == "") {
					t.Errorf("got %q, %v; want %q", answer, err, tc.want)
				}
				if took := time.Since(start); took != tc.took {
					t.Errorf("it took %v, want %v", took, tc.took)
				}
			})
		})
	}
}

// dialPipe serves one connection in memory, as the program serves those that it
// accepts.
func dialPipe(t *testing.T) net.Conn {
	t.Helper()
	config := configs.Default()
	config.HTTP.Addr, config.Policy.Addr = "127.0.0.1:0", ""
	p, err := newProgram(t.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	front, back := net.Pipe()
	l := &pipeListener{Listener: p.listener, conns: make(chan net.Conn, 1)}
	l.conns <- back
	server := p.server()
	done := make(chan error)
	go func() { done <- server.Serve(policy.Inline(l, p.inline, p.logger)) }()
	t.Cleanup(func() { _, _ = front.Close(), server.Close(); <-done })
	return front
}

// pipeListener accepts the connections that it is given.
type pipeListener struct {
	net.Listener
	conns chan net.Conn
}

func (l *pipeListener) Accept() (net.Conn, error) {
	if conn, ok := <-l.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// Close is called once.
func (l *pipeListener) Close() error {
	close(l.conns)
	return l.Listener.Close()
}
