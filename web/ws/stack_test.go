package ws_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"testing"
)

// TestIdleStacks has so little on the stacks of sessions that wait for their clients
// that new ones go on to begin with 2 KiB: the runtime takes the average, and 928 bytes
// of its own.
func TestIdleStacks(t *testing.T) {
	const sessions = 300
	most := uint64(2048 - 928 - 60)
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		most += 700 // which the race detector needs for the same
	}
	site, r := newSite(t)
	defer shutDown(t, r)
	for range sessions {
		c, err := net.Dial("tcp", site.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Fatal(err)
		}
	}
	for runtime.NumGoroutine() < 2*sessions {
		runtime.Gosched() // until the last one waits, too
	}
	runtime.GC()
	read := []metrics.Sample{{Name: "/gc/scan/stack:bytes"}}
	metrics.Read(read)
	if each := read[0].Value.Uint64() / uint64(runtime.NumGoroutine()); each > most {
		t.Errorf("goroutines use %d bytes of their stacks on average, want at most %d", each, most)
	}
}
