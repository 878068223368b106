//go:build unix

package wire

import (
	"net"
	"syscall"
)

// socket is the descriptor of a plain socket, to be written to without waiting.
// It is used under the lock of its Conn, and only while the Conn is not closed,
// so that the number cannot have passed to another file. Going through
// [syscall.RawConn] costs a tenth of what the system call does.
type socket struct {
	fd int // zero when there is no plain socket
}

func (s *socket) open(c net.Conn) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := sc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { s.fd = int(fd) }) // fails on a closed connection: the flusher finds out
	}
}

// write returns how many bytes the socket took at once, which may be none.
func (s *socket) write(frames []byte) (int, error) {
	if s.fd == 0 {
		return 0, nil
	}
	for {
		switch n, err := syscall.Write(s.fd, frames); err {
		case nil:
			return n, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, err
		}
	}
}
