package redisbroker

import (
	"net"
	"testing"
)

// resetConn is a connection that the other side has reset.
func resetConn(t *testing.T, s *conns, first string) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	noted := s.note(c)
	if _, err := noted.Write([]byte(first)); err != nil {
		t.Fatal(err)
	}
	_ = far.(*net.TCPConn).SetLinger(0)
	_ = far.Close()
	return noted
}

// What fails at the first write of a question was not sent; behind what was written
// nobody knows.
func TestUnsentIsKnown(t *testing.T) {
	for first, unsent := range map[string]bool{"": true, "the beginning": false} {
		s := &conns{open: make(map[net.Conn]struct{})}
		c := resetConn(t, s, first)
		if first == "" {
			c.(*notedTCP).asked.Store(false) // an empty write asks nothing
		}
		var err error
		for err == nil { // until the reset has come
			_, err = c.Write([]byte("more"))
			if err == nil {
				c.(*notedTCP).asked.Store(first != "")
			}
		}
		if isUnsent(err) != unsent {
			t.Errorf("after %q: %v, want unsent=%t", first, err, unsent)
		}
	}
}
