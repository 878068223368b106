package token_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// keyHost is the address of a key server, and keyPassword what it wants to see.
const keyHost, keyPassword = "keys.example:443", "hush"

// keyServer is an HTTP server with a document of keys. Its connections are in memory, so
// that it lives on the clock of a test.
type keyServer struct {
	http.Server
	transport *http.Transport // reaches it
	accepted  chan net.Conn
	ended     sync.WaitGroup

	mu      sync.Mutex       // guards what follows
	answer  http.HandlerFunc // nil: nobody is there
	open    []net.Conn
	dialed  []string
	fetches int
}

func newKeyServer() *keyServer {
	s := &keyServer{accepted: make(chan net.Conn)}
	s.Handler, s.ErrorLog = http.HandlerFunc(s.serve), log.New(io.Discard, "", 0)
	// There is nobody between the two from whom TLS would hide anything.
	s.transport = &http.Transport{DialContext: s.dial, DialTLSContext: s.dial}
	s.ended.Go(func() { _ = s.Serve(listener{s, make(chan struct{})}) })
	return s
}

// end ends it, and wants nobody to have been asked but it.
func (s *keyServer) end(t *testing.T) {
	t.Helper()
	_ = s.Close()
	s.set(nil)
	s.transport.CloseIdleConnections()
	s.ended.Wait()
	if i := slices.IndexFunc(s.dialed, func(addr string) bool { return addr != keyHost }); i >= 0 {
		t.Errorf("%s was asked for keys", s.dialed[i])
	}
}

func (s *keyServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.fetches++
	answer := s.answer
	s.mu.Unlock()
	if _, password, _ := r.BasicAuth(); password != keyPassword || answer == nil {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	answer(w, r)
}

func (s *keyServer) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialed = append(s.dialed, addr)
	if s.answer == nil || addr != keyHost {
		return nil, errors.New("connection refused")
	}
	client, server := net.Pipe()
	select {
	case s.accepted <- server:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.open = append(s.open, server)
	return client, nil
}

// set says how it answers from now on. With nil it dies, and cuts whatever is open.
func (s *keyServer) set(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
	if answer == nil {
		for _, conn := range s.open {
			_ = conn.Close()
		}
		s.open = nil
	}
}

// count returns how many fetches there were since it was called last.
func (s *keyServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.fetches
	s.fetches = 0
	return n
}

// listener accepts what is dialed.
type listener struct {
	s      *keyServer
	closed chan struct{}
}

func (l listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.s.accepted:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error   { close(l.closed); return nil }
func (l listener) Addr() net.Addr { return &net.TCPAddr{} }

// saying answers with a status and a body.
func saying(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// stalling sends a part of an answer, and the rest when nobody waits any more.
func stalling(part string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if part != "" {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}
}

// trickling sends an answer byte by byte, each in time and all of them too late.
func trickling(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := range body {
			if _, err := io.WriteString(w, body[i:i+1]); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-r.Context().Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// cutting sends bytes as they are, and cuts the connection.
func cutting(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.Copy(conn, strings.NewReader(text))
		_ = conn.Close()
	}
}
