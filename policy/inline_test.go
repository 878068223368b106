package policy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"belfry/policy"
)

// serveInline starts an HTTP server on a listener that answers policy requests.
func serveInline(t testing.TB) (addr string) {
	t.Helper()
	file, err := policy.New([]policy.Grant{{Domain: "example.com", Ports: "80"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveHTTP(t, policy.Inline(l, file, nil))
	return l.Addr().String()
}

// serveHTTP serves a listener until the test ends. The answers are the paths.
func serveHTTP(t testing.TB, l net.Listener) {
	t.Helper()
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.Path)
	})}
	done := make(chan error)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
}

func dialInline(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

// The request may be cut anywhere on its way.
func TestInlineSplit(t *testing.T) {
	addr := serveInline(t)
	for cut := range len(policy.Request) {
		conn := dialInline(t, addr)
		for _, part := range []string{policy.Request[:cut], policy.Request[cut:]} {
			if _, err := io.WriteString(conn, part); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // so that they are two segments
		}
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(answer), `domain="example.com"`) || !strings.HasSuffix(string(answer), "\x00") {
			t.Errorf("cut at %d: got %q, %v", cut, answer, err)
		}
	}
}

func TestInlineLeavesHTTPAlone(t *testing.T) {
	conn := dialInline(t, serveInline(t))
	in := bufio.NewReader(conn)
	for _, path := range []string{"/a", "/<b"} {
		request, err := http.NewRequest("GET", "http://belfry"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := request.Write(conn); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(in, request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || string(body) != path {
			t.Errorf("%s: got %q, %v", path, body, err)
		}
	}
}

// What only begins like a request is closed without an answer, and so is what
// does not go on, when the header timeout of the server ends.
func TestInlineRefuses(t *testing.T) {
	addr := serveInline(t)
	for name, sent := range map[string]string{
		"another element": "<cross-domain-request/>\x00",
		"HTML":            "<html>",
		"nothing more":    "<policy",
		"nothing at all":  "",
		"a late request":  "GET / HTTP/1.1\r\n" + policy.Request,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dialInline(t, addr)
			if _, err := io.WriteString(conn, sent); err != nil {
				t.Fatal(err)
			}
			_ = conn.CloseWrite() // some would be waited for
			answer, err := io.ReadAll(conn)
			if strings.Contains(string(answer), "cross-domain-policy") {
				t.Errorf("got %q, %v; want no policy", answer, err)
			}
		})
	}
}

// TestInlineReplyIsNotLost has clients that go on talking, which resets a
// connection that is closed with bytes unread.
func TestInlineReplyIsNotLost(t *testing.T) {
	addr := serveInline(t)
	for name, behind := range map[string]string{"a line end": "\r\n", "eight bytes more": "GET / HT"} {
		conn := dialInline(t, addr)
		for _, part := range []string{policy.Request, behind} {
			if _, err := io.WriteString(conn, part); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasSuffix(string(answer), "</cross-domain-policy>\n\x00") && !strings.HasSuffix(string(answer), "</cross-domain-policy>\x00") {
			t.Errorf("%s behind the request: got %q, %v", name, answer, err)
		}
	}
}

// A client that closes its side in place of the NUL is answered.
func TestInlineHalfClosed(t *testing.T) {
	conn := dialInline(t, serveInline(t))
	if _, err := io.WriteString(conn, strings.TrimSuffix(policy.Request, "\x00")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(answer), "\x00") {
		t.Errorf("got %q, %v", answer, err)
	}
}

// TestInlineTime lets requests come too slowly, or answers not be read.
func TestInlineTime(t *testing.T) {
	for name, send := range map[string]func(net.Conn){
		"a byte and no more": func(c net.Conn) { _, _ = io.WriteString(c, "<") },
		"a byte a second": func(c net.Conn) {
			for i := range policy.Request {
				if _, err := io.WriteString(c, policy.Request[i:i+1]); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		},
		"no reading": func(c net.Conn) { _, _ = io.WriteString(c, policy.Request) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := net.Pipe()
				defer client.Close()
				conn, err := policy.Inline(oneConn{server}, testPolicy(t), nil).Accept()
				if err != nil {
					t.Fatal(err)
				}
				var sending sync.WaitGroup
				sending.Go(func() { send(client) })
				start := time.Now()
				if n, err := conn.Read(make([]byte, 100)); n != 0 || err != io.EOF {
					t.Errorf("Read = %d, %v; want the end", n, err)
				}
				if took := time.Since(start); took != 5*time.Second {
					t.Errorf("the client was kept for %v, want 5s", took)
				}
				sending.Wait()
			})
		})
	}
}

// oneConn is a listener that has accepted a connection.
type oneConn struct{ conn net.Conn }

func (l oneConn) Accept() (net.Conn, error) { return l.conn, nil }
func (l oneConn) Close() error              { return nil }
func (l oneConn) Addr() net.Addr            { return nil }

// TestInlineHalfOpen has many clients that begin and do not go on, and others
// that are served meanwhile.
func TestInlineHalfOpen(t *testing.T) {
	addr := serveInline(t)
	for i := range 500 {
		conn := dialInline(t, addr)
		if _, err := io.WriteString(conn, policy.Request[:i%len(policy.Request)]); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	conn := dialInline(t, addr)
	if _, err := io.WriteString(conn, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(answer), "/a") {
		t.Errorf("got %q, %v", answer, err)
	}
	if took := time.Since(start); took > 4*time.Second { // those that do not go on have five
		t.Errorf("a request took %v", took)
	}
}

// What an HTTP server and a WebSocket look for in a connection is there.
func TestInlineConn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := dialInline(t, l.Addr().String())
	conn, err := policy.Inline(l, testPolicy(t), nil).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if below, ok := conn.(interface{ Unwrap() net.Conn }); !ok {
		t.Error("the connection below cannot be had")
	} else if _, ok := below.Unwrap().(*net.TCPConn); !ok {
		t.Errorf("the connection below is a %T", below.Unwrap())
	}
	if half, ok := conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		t.Fatal("the connection cannot be half closed")
	}
	if rest, err := io.ReadAll(client); err != nil || len(rest) > 0 {
		t.Errorf("the client got %q, %v", rest, err)
	}
}

// BenchmarkInline is a request over a connection of its own, with and without
// looking at the first byte.
func BenchmarkInline(b *testing.B) {
	for name, inline := range map[string]bool{"plain": false, "inline": true} {
		b.Run(name, func(b *testing.B) {
			var addr string
			if inline {
				addr = serveInline(b)
			} else {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				serveHTTP(b, l)
				addr = l.Addr().String()
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			b.ReportAllocs()
			for b.Loop() {
				response, err := client.Get("http://" + addr + "/a")
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
}
