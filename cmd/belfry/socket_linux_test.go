package main

import (
	"net"
	"syscall"
	"testing"
)

// Each connection has the bounds of the listener, so that the system keeps no
// 4 MiB for a client that does not read.
func TestAcceptedSocketsAreBounded(t *testing.T) {
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		size, _ := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
		wait, _ := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout)
		if size > 2*sendBuffer || wait != 40_000 {
			t.Errorf("a send buffer of %d bytes and %d ms, want %d at most and 40000", size, wait, 2*sendBuffer)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
