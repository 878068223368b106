//go:build unix

package hubtest

import "syscall"

// smallSegments makes a connection that is going to be made one of small
// segments. A segment of the loopback interface has 64 KiB, and the system lets
// a server send 40 of them ahead. A system that refuses keeps its own size.
func smallSegments(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1400)
	})
}
