package wire_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"

	"belfry/web/wire"
)

func BenchmarkAppendText(b *testing.B) {
	for _, n := range []int{128, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			payload := bytes.Repeat([]byte("p"), n)
			dst := make([]byte, 0, n+16)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				dst = wire.AppendText(dst[:0], payload)
			}
		})
	}
}

// BenchmarkSend is a frame of 128 bytes sent directly to a socket whose peer
// reads; the work is done when the peer has read the last.
func BenchmarkSend(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	drained := make(chan int64, 1)
	go func() { n, _ := io.Copy(io.Discard, peer); drained <- n }()
	c := wire.NewConn(server, nil, bounds)
	frame := wire.AppendText(nil, bytes.Repeat([]byte("p"), 128))
	b.ReportAllocs()
	sent := int64(0)
	for b.Loop() {
		if err := c.Send(frame); err != nil {
			b.Fatal("a frame was refused")
		}
		sent++
	}
	for c.Waiting() > 0 {
		runtime.Gosched()
	}
	_ = c.Close()
	c.Wait()
	if n := <-drained; n != sent*int64(len(frame)) {
		b.Errorf("the peer read %d bytes of %d", n, sent*int64(len(frame)))
	}
	_ = peer.Close()
}
