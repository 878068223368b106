package main

import (
	"errors"
	"syscall"
	"time"
)

const (
	// sendBuffer is what the system may keep for one client beside limits.buffer, in
	// bytes of its own counting: it doubles the number. By itself it goes up to 4 MiB
	// for one that reads slowly. A distant client, 100 ms away, still gets 2.5 MB/s.
	sendBuffer = 128 << 10
	// unheardWait is how long a client may leave unacknowledged what it was sent, also
	// when we have closed already, or be silent to the system's own probes, which begin
	// after 15 seconds: so one of before RFC 6455, who answers no pings, is found.
	unheardWait = 40 * time.Second
	// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7), in milliseconds.
	tcpUserTimeout = 18
)

// boundSocket bounds what the system keeps for each connection of a listener, which
// inherit it.
func boundSocket(_, _ string, c syscall.RawConn) error {
	var fault error
	err := c.Control(func(fd uintptr) {
		fault = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, sendBuffer),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(unheardWait.Milliseconds())))
	})
	return errors.Join(err, fault)
}
