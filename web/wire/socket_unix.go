//go:build unix

package wire

import (
	"net"
	"syscall"
)

// socket tries to write to a plain socket without waiting for it.
type socket struct {
	raw  syscall.RawConn // nil when there is no plain socket
	once func(fd uintptr) bool

	// The arguments and results of once. A closure for each write would be an
	// allocation for each delivery.
	frames []byte
	n      int
	err    error
}

func (s *socket) open(c net.Conn) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := sc.SyscallConn(); err == nil {
		s.raw, s.once = raw, s.writeOnce
	}
}

// write returns how many bytes the socket took, which may be none.
func (s *socket) write(frames []byte) (int, error) {
	if s.raw == nil {
		return 0, nil
	}
	s.frames = frames
	err := s.raw.Write(s.once)
	s.frames = nil
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

// writeOnce makes one system call. It always returns true, for done: a full
// socket is not waited for here.
func (s *socket) writeOnce(fd uintptr) bool {
	s.n, s.err = syscall.Write(int(fd), s.frames)
	for s.err == syscall.EINTR {
		s.n, s.err = syscall.Write(int(fd), s.frames)
	}
	if s.err != nil {
		s.n = 0
	}
	if s.err == syscall.EAGAIN {
		s.err = nil
	}
	return true
}
