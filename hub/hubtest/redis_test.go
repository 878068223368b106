package hubtest

import (
	"io"
	"net"
	"strconv"
	"testing"
)

// A port that was free may be taken by another server when a test gets to it. The
// test must not take that for its own.
func TestRedisIsNoOther(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() { // ends when other is closed
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "+PONG\r\n")
			_ = c.Close()
		}
	}()
	taken := other.Addr().(*net.TCPAddr).Port
	r := &RedisServer{t: t, program: Need(t, "redis-server"), dir: t.TempDir(), port: taken}
	t.Cleanup(r.Stop)
	r.Start()
	if r.port == taken || r.Addr() != "127.0.0.1:"+strconv.Itoa(r.port) {
		t.Errorf("the server is at %s, which another has", r.Addr())
	}
	r.Stop()
	before := r.Addr()
	r.Start()
	if r.Addr() != before {
		t.Errorf("started again it is at %s, and was at %s", r.Addr(), before)
	}
}
