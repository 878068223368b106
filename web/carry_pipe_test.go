package web_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/web"
)

// pipeServer is an HTTP server whose connections are in memory, so that it can be
// in a bubble. It is the listener, too.
type pipeServer struct {
	conns chan net.Conn
	done  chan struct{}
}

// servePipes serves until the test ends.
func servePipes(t *testing.T, s *web.Server) *pipeServer {
	p := &pipeServer{make(chan net.Conn), make(chan struct{})}
	server := &http.Server{Handler: s, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(p) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return p
}

// Accept implements [net.Listener].
func (p *pipeServer) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *pipeServer) Close() error { close(p.done); return nil }

// Addr implements [net.Listener].
func (p *pipeServer) Addr() net.Addr { return pipeAddr{} }

func (p *pipeServer) dial(t *testing.T) net.Conn {
	server, client := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	p.conns <- server
	return client
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// TestCarryQuietHTTP2 keeps a stream open on which nothing but pings goes out: a
// deadline for writing that passes resets a stream of HTTP/2, written to or not.
func TestCarryQuietHTTP2(t *testing.T) {
	inBubble(t, func(t *testing.T, s *web.Server, _ *hub.Hub) {
		server := servePipes(t, s)
		p := new(http.Protocols)
		p.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: p, DialContext: func(context.Context, string, string) (net.Conn, error) {
			return server.dial(t), nil
		}}
		defer transport.CloseIdleConnections()
		response, err := (&http.Client{Transport: transport}).Get("http://x/ws/chat?via=events")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		in := &pipeStream{t, bufio.NewReader(response.Body), time.Now()}
		in.wants(`data: ["open"`, 0, 0)
		for i := range 5 {
			at := time.Duration(i+1) * 10 * time.Second
			in.wants(`data: ["ping"]`, at, at)
		}
	})
}

// TestPollAnswersUnread has a client that makes polls and reads no answer. Nothing
// is read from it while an answer waits, or they would gather without bound.
func TestPollAnswersUnread(t *testing.T) {
	inBubble(t, func(t *testing.T, s *web.Server, h *hub.Hub) {
		conn := servePipes(t, s).dial(t)
		c := &rawConn{t, conn, bufio.NewReader(conn)}
		name := c.open("/ws/chat")
		publishText(t, h, "x")
		synctest.Wait()
		taken := 0
		for ; taken < 20; taken++ {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := fmt.Fprintf(c, "POST /ws/chat?via=poll&session=%s&got=0"+pollHead, name); err != nil {
				break
			}
			synctest.Wait()
		}
		if taken > 2 {
			t.Errorf("%d polls were taken and none of the answers, want 2 at most", taken)
		}
	})
}

// halfClosing is a connection that notes when its writing side is closed.
type halfClosing struct {
	net.Conn
	closed atomic.Bool
}

func (c *halfClosing) CloseWrite() error {
	c.closed.Store(true)
	return nil
}

// TestPollRefusedBody has a body refused that is too large, on the connection of a
// poll. The server closes its side and waits, so that the answer is not
// lost over what it does not read.
func TestPollRefusedBody(t *testing.T) {
	inBubble(t, func(t *testing.T, s *web.Server, _ *hub.Hub) {
		server, conn := net.Pipe()
		defer conn.Close()
		half := &halfClosing{Conn: server}
		servePipes(t, s).conns <- half
		c := &rawConn{t, conn, bufio.NewReader(conn)}
		name := c.open("/ws/chat")
		go fmt.Fprintf(c, "POST /ws/chat?via=send&session=%s&first=1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", name, 2<<20, strings.Repeat("x", 2<<20))
		if status, _ := c.answer(); status != http.StatusRequestEntityTooLarge {
			t.Errorf("status %d, want 413", status)
		}
		_, _ = c.in.ReadByte()
		if !half.closed.Load() {
			t.Error("the connection was closed at once")
		}
	})
}
