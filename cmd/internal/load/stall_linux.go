package load

import "syscall"

// stalledSegment is the TCP segment size in bytes that a connection which is
// going to stop reading asks for. Over loopback segments have 64 KiB, and for
// such a connection the kernel keeps megabytes before the server notices.
const stalledSegment = 1400

// stalledBuffer is the receive buffer in bytes of a connection that is going to
// stop reading: what fits into it the server does not have to keep.
const stalledBuffer = 4096

// stalledSocket sets up a socket that is going to stop reading, before it connects.
func stalledSocket(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, stalledSegment)
		if failed == nil {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, stalledBuffer)
		}
	})
	if err != nil {
		return err
	}
	return failed
}
