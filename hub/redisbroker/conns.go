package redisbroker

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// conns are the connections of a client, as a hook of it, so that they can be closed
// when they lead to a Redis that is not wanted any more. Each knows whether what could
// not be written was surely not sent. They are safe for several goroutines.
type conns struct {
	mu   sync.Mutex // guards what follows
	open map[net.Conn]struct{}
}

// close closes those that there are. What is under way over them fails.
func (s *conns) close() {
	s.mu.Lock()
	open := s.open
	s.open = make(map[net.Conn]struct{})
	s.mu.Unlock()
	for c := range open {
		_ = c.Close()
	}
}

// DialHook notes connections.
func (s *conns) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return s.note(c), nil
	}
}

// ProcessHook implements [redis.Hook].
func (s *conns) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements [redis.Hook].
func (s *conns) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (s *conns) note(c net.Conn) net.Conn {
	var noted net.Conn
	forget := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, noted)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		noted = &notedTCP{TCPConn: tcp, forget: forget}
	} else {
		noted = &notedConn{Conn: c, forget: forget}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[noted] = struct{}{}
	return noted
}

// traffic knows whether something is under way over a connection, which carries one
// question and its answer after the other.
type traffic struct{ asked atomic.Bool }

// wrote returns the error of a write. Where the other side has gone since the connection
// was used last, the first write says so, and nothing has left this machine.
func (t *traffic) wrote(n int, err error) error {
	if err != nil && n == 0 && !t.asked.Load() {
		return unsentError{err}
	}
	t.asked.Store(true)
	return err
}

func (t *traffic) read(n int) {
	if n > 0 {
		t.asked.Store(false)
	}
}

// notedTCP lets the library look at the socket, as it does before each use.
type notedTCP struct {
	*net.TCPConn
	traffic
	forget func()
}

func (c *notedTCP) Close() error { c.forget(); return c.TCPConn.Close() }

func (c *notedTCP) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	return n, c.wrote(n, err)
}

func (c *notedTCP) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.read(n)
	return n, err
}

type notedConn struct {
	net.Conn
	traffic
	forget func()
}

func (c *notedConn) Close() error { c.forget(); return c.Conn.Close() }

func (c *notedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.wrote(n, err)
}

func (c *notedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read(n)
	return n, err
}
