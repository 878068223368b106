package redisbroker

import (
	"context"
	"net"
	"sync"

	"github.com/redis/go-redis/v9"
)

// conns are the connections of a client, as a hook of it, so that they can be closed
// when they lead to a Redis that is not wanted any more. They are safe for several
// goroutines.
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
		noted = &notedTCP{tcp, forget}
	} else {
		noted = &notedConn{c, forget}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[noted] = struct{}{}
	return noted
}

// notedTCP lets the library look at the socket, as it does before each use.
type notedTCP struct {
	*net.TCPConn
	forget func()
}

func (c *notedTCP) Close() error { c.forget(); return c.TCPConn.Close() }

type notedConn struct {
	net.Conn
	forget func()
}

func (c *notedConn) Close() error { c.forget(); return c.Conn.Close() }
