//go:build unix

package main

import (
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"
)

// TestSignals sends a server what supervisors and tools send: it lives on and its
// client notices nothing, or it stops as one that is told to.
func TestSignals(t *testing.T) {
	n := serve(t)
	conn, _, err := websocket.DefaultDialer.Dial(serverURL(n.URL).webSocket("/ws/date"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan int, 1)
	go func() { ended <- closeCode(conn) }()
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGCHLD, syscall.SIGURG} {
		n.signal(s)
		switch s {
		case syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2:
			n.says(&n.err, `level=WARN msg="signal ignored: [^"]+" signal="?`+regexp.QuoteMeta(s.String()))
		}
		if status := n.get("/readyz"); status != http.StatusOK {
			t.Fatalf("after %v it is %d", s, status)
		}
	}
	n.signal(syscall.SIGINT)
	if code := n.exit(); code != 0 {
		t.Errorf("SIGINT: exit code %d", code)
	}
	if code := <-ended; code != 1001 {
		t.Errorf("the client was closed with %d, want 1001 at the end", code)
	}
}

// TestQuit wants to see what the goroutines do.
func TestQuit(t *testing.T) {
	n := serve(t)
	n.signal(syscall.SIGQUIT)
	if code := n.exit(); code != 2 || !strings.Contains(n.err.String(), "SIGQUIT") || !strings.Contains(n.err.String(), "goroutine 1 ") {
		t.Errorf("exit code %d, and it said:\n%.1000s", code, &n.err)
	}
}
