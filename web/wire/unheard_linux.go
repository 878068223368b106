package wire

import (
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7), in milliseconds.
const tcpUserTimeout = 18

// giveUpAfter has the system break a connection whose peer has acknowledged nothing for
// so long of what it was sent. By itself it tries for a quarter of an hour.
func giveUpAfter(c net.Conn, wait time.Duration) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := sc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(wait.Milliseconds()))
		}) // where it cannot be set, the listener's stands
	}
}
