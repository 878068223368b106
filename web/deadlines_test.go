package web_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/web"
)

// pipeListener accepts pipes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// onPipes has a server answer HTTP over pipes, in a bubble, where waiting takes no
// time. The function is given a way to dial, and the HTTP server.
func onPipes(t *testing.T, test func(t *testing.T, dial func() net.Conn, s *web.Server, server *http.Server)) {
	t.Helper()
	inBubble(t, func(t *testing.T, s *web.Server, _ *hub.Hub) {
		l := &pipeListener{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: s, Protocols: new(http.Protocols), IdleTimeout: time.Minute}
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetUnencryptedHTTP2(true)
		served := make(chan struct{})
		go func() { defer close(served); _ = server.Serve(l) }()
		test(t, func() net.Conn {
			client, conn := net.Pipe()
			_ = client.SetReadDeadline(time.Now().Add(10 * time.Minute))
			t.Cleanup(func() { _ = client.Close() })
			l.conns <- conn
			return client
		}, s, server)
		_ = server.Close()
		<-served
	})
}

// halfRequests are those whose bodies do not come, and with what they are answered.
var halfRequests = map[string]string{
	"POST /emulation HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nxxx":                                 "400",
	"POST /connection/http_stream HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n":                         "400",
	"POST /connection/http_stream HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\nxx":                    "400",
	"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n":                                    "401",
	"POST /api/publish HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n":              "401",
	"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n":                                        "404",
	"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n":                                     "404",
	"DELETE /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n":                                         "405",
	"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n":                                         "200",
	"GET /belfry.js HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n":                                "200",
	"POST /ws/chat?via=poll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n":                        "400",
	"GET /events?channel=a HTTP/1.1\r\nHost: x\r\nOrigin: http://e\r\nContent-Length: 9\r\n\r\n":              "403",
	"POST /ws/chat?via=send&session=a.b HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n":                     "400",
	"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 9\r\n\r\n": "400",
}

// A body that does not come holds nothing for long, whatever the route and the
// answer, and nothing at all of a server that goes down.
func TestHalfBodies(t *testing.T) {
	for request, want := range halfRequests {
		for _, stopping := range []bool{false, true} {
			name, _, _ := strings.Cut(request, " HTTP")
			t.Run(fmt.Sprintf("%s, stopping %t", name, stopping), func(t *testing.T) {
				onPipes(t, func(t *testing.T, dial func() net.Conn, s *web.Server, server *http.Server) {
					conn, begin, most := dial(), time.Now(), 12*time.Second
					go func() { _, _ = io.WriteString(conn, request) }()
					if stopping {
						synctest.Wait()
						go func() { _ = s.Shutdown(context.Background()) }()
						most = 2 * time.Second
					}
					answer, err := io.ReadAll(conn)
					if err != nil || !strings.HasPrefix(strings.TrimPrefix(string(answer), "HTTP/1.1 "), want) {
						t.Errorf("got %.100q, %v; want %s", answer, err, want)
					}
					if d := time.Since(begin); d > most {
						t.Errorf("it was kept for %v, want %v at most", d, most)
					}
				})
			})
		}
	}
}

// Bodies that come late, and what follows them, are answered as ever.
func TestLateBodies(t *testing.T) {
	onPipes(t, func(t *testing.T, dial func() net.Conn, _ *web.Server, _ *http.Server) {
		conn := dial()
		in := bufio.NewReader(conn)
		for _, r := range []struct {
			head, body string
			status     int
		}{
			{"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "hello", 404},
			{"POST /api/publish HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", 401},
			{"POST /ws/chat?via=poll&session=a.b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "hello", 404},
			{"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "hello", 200},
			// The deadline of its body is not that of the poll.
			{"GET /events?channel=news HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nContent-Length: 5\r\n\r\n", "hello", 200},
			{"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "", 200},
		} {
			go func() {
				_, _ = io.WriteString(conn, r.head)
				time.Sleep(9 * time.Second)
				_, _ = io.WriteString(conn, r.body)
			}()
			answer, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%q: %v", r.head, err)
			}
			if body, err := io.ReadAll(answer.Body); answer.StatusCode != r.status || err != nil || len(body) == 0 {
				t.Errorf("%q: %s %q, %v; want %d", r.head, answer.Status, body, err, r.status)
			}
			time.Sleep(10 * time.Second) // the writer above is done
		}
	})
}

// A client that takes no answers is let go, also when it has asked for many.
func TestUnreadAnswers(t *testing.T) {
	onPipes(t, func(t *testing.T, dial func() net.Conn, _ *web.Server, server *http.Server) {
		gone := make(chan time.Time, 3)
		server.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				gone <- time.Now()
			}
		}
		begin := time.Now()
		const ask = "GET /belfry.js HTTP/1.1\r\nHost: x\r\n\r\n"
		for _, requests := range []string{
			ask, strings.Repeat(ask, 100),
			"GET /events?channel=news HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n",
		} {
			conn := dial()
			go func() { _, _ = io.WriteString(conn, requests) }()
			select {
			case at := <-gone:
				if d := at.Sub(begin); d > 5*time.Minute {
					t.Errorf("%.60q: let go after %v", requests, d)
				}
			case <-time.After(5 * time.Minute):
				t.Errorf("%.60q: kept", requests)
				_ = conn.Close()
			}
			begin = time.Now()
		}
	})
}

// Frames of HTTP/2 (RFC 9113, section 6).
const (
	h2Data, h2Headers, h2Reset, h2Settings = 0, 1, 3, 4
	h2Preface                              = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

func h2Frame(kind, flags byte, stream byte, payload ...byte) string {
	return string(append([]byte{0, byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, stream}, payload...))
}

// Over HTTP/2 a client may let nothing through, or keep a body back: the stream
// ends, and the connection is there for others.
func TestStreamsOfHTTP2AreBounded(t *testing.T) {
	get := []byte{0x82, 0x86, 0x84, 0x41, 1, 'x'} // GET http /, :authority x
	post := append([]byte{0x83, 0x86, 0x44, 10}, "/emulation\x41\x01x"...)
	window := []byte{0, 4, 0, 0, 0, 0} // SETTINGS_INITIAL_WINDOW_SIZE 0
	for name, tc := range map[string]struct {
		request string
		want    byte // the frame that ends the stream
	}{
		"a window of 0":          {h2Frame(h2Settings, 0, 0, window...) + h2Frame(h2Headers, 5, 1, get...), h2Reset},
		"a body that stays away": {h2Frame(h2Settings, 0, 0) + h2Frame(h2Headers, 4, 1, post...), h2Data},
	} {
		t.Run(name, func(t *testing.T) {
			onPipes(t, func(t *testing.T, dial func() net.Conn, _ *web.Server, _ *http.Server) {
				conn := dial()
				go func() { _, _ = io.WriteString(conn, h2Preface+tc.request) }()
				begin := time.Now()
				if err := awaitFrame(conn, tc.want); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(begin); d > 90*time.Second {
					t.Errorf("the stream ended after %v", d)
				}
			})
		})
	}
}

// awaitFrame reads to a frame of stream 1.
func awaitFrame(conn net.Conn, want byte) error {
	for head := make([]byte, 9); ; {
		if _, err := io.ReadFull(conn, head); err != nil {
			return fmt.Errorf("no such frame: %w", err)
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			return err
		}
		if head[8] == 1 && head[3] == want {
			if want == h2Data && !bytes.Contains(payload, []byte("did not arrive")) {
				return errors.New(string(payload))
			}
			return nil
		}
	}
}
