package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"belfry/hub/hubtest"
)

// fill fills a pipe, as a log does whose reader has stopped.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	_ = w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := w.Write(make([]byte, 4<<20)); err == nil {
		t.Fatal("the pipe takes 4 MiB")
	}
}

// serveInto starts a server whose log goes into a pipe.
func serveInto(t *testing.T, w *os.File) *node {
	t.Helper()
	n := &node{process: prepare(t, []string{"BELFRY_HTTP_ADDR=127.0.0.1:0", "BELFRY_POLICY_ADDR=127.0.0.1:0"})}
	n.cmd.Stderr = w
	n.launch()
	n.URL = n.says(&n.out, `(http://127\.0\.0\.1:\d+)/socketexample`)
	return n
}

// TestLogThatNobodyReads runs servers whose log is read by nobody any more, from the
// first line on. They do all they do otherwise, and end when they are told to.
func TestLogThatNobodyReads(t *testing.T) {
	for name, stop := range map[string]func(r, w *os.File){
		"the reader has stopped": func(_, w *os.File) { fill(t, w) },
		"the reader is gone":     func(r, _ *os.File) { r.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			stop(r, w)
			n := serveInto(t, w)
			conn, _, err := websocket.DefaultDialer.Dial(serverURL(n.URL).webSocket("/ws/date"), nil)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan int, 1)
			go func() { ended <- closeCode(conn) }()
			for i := range 50 { // a line each, or one that is counted
				if status := n.get(fmt.Sprintf("/wp-login/%d", i)); status != http.StatusNotFound {
					t.Fatalf("request %d is answered %d", i, status)
				}
			}
			n.signal(syscall.SIGTERM)
			if code := n.exit(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if code := <-ended; code != 1001 {
				t.Errorf("the client was closed with %d, want 1001", code)
			}
		})
	}
}

// TestFaultThatNobodyReads has a server that cannot start say so to nobody.
func TestFaultThatNobodyReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fill(t, w)
	p := prepare(t, nil, "config", "--addr", "nonsense")
	p.cmd.Stderr = w
	p.launch()
	if code := p.exit(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// TestStrangersAndTheLog has strangers ask for whatever makes a line, often and with
// long values. The log stays short, and says how many lines are left out.
func TestStrangersAndTheLog(t *testing.T) {
	n := serve(t, "BELFRY_HOSTS=hub.example", "BELFRY_LOG_FORMAT=json")
	long := strings.Repeat("a", 40<<10)
	addr := strings.TrimPrefix(n.URL, "http://")
	var all sync.WaitGroup
	for _, request := range []string{
		"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /ws/chat HTTP/1.1\r\nHost: localhost\r\nOrigin: http://%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
		"GET /events?channel=chat HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nX: %s\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: %s\r\n\r\n",
		"POST /api/publish HTTP/1.1\r\nHost: localhost\r\nX-API-Key: wrong-%s\r\nContent-Length: 0\r\n\r\n",
	} {
		all.Go(func() {
			for range 40 {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.SetDeadline(time.Now().Add(hubtest.Patience))
				_, _ = fmt.Fprintf(conn, request, long)
				_ = conn.(*net.TCPConn).CloseWrite()
				// A page of another origin is let in to be told why it may not stay.
				answer, _ := io.ReadAll(conn)
				if !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) && !bytes.Contains(answer, []byte("BELFRY_ORIGINS")) {
					t.Errorf("%.20s: %.100q", request, answer)
				}
				conn.Close()
			}
		})
	}
	all.Wait()
	n.says(&n.err, "wrong API keys were shown")
	n.end()
	counts, left := map[string]int{}, map[string]int{}
	for line := range strings.Lines(n.err.String()) {
		var v struct {
			Msg     string
			LeftOut int `json:"left_out"`
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil || len(line) > 2000 {
			t.Errorf("a line of %d bytes, %v: %.200s", len(line), err, line)
		}
		if left[v.Msg] += v.LeftOut; v.LeftOut == 0 {
			counts[v.Msg]++
		}
	}
	for _, kind := range []struct {
		text string
		all  int
	}{{"nothing at this path", 40}, {"page refused", 80}, {"name refused", 40}} {
		if got := counts[kind.text] + left[kind.text]; got != kind.all || counts[kind.text] == 0 {
			t.Errorf("%s: %d lines and %d left out, want %d in all", kind.text, counts[kind.text], left[kind.text], kind.all)
		}
	}
	if strings.Contains(n.err.String(), "wrong-") {
		t.Error("the log has a key")
	}
}

// TestNoDescriptors lets a server run out of descriptors: the log says so, and when
// there are some again it serves.
func TestNoDescriptors(t *testing.T) {
	n := &node{process: prepare(t, []string{"BELFRY_HTTP_ADDR=127.0.0.1:0", "BELFRY_POLICY_ADDR="})}
	n.cmd.Args = append([]string{"sh", "-c", `ulimit -n 32; exec "$0" "$@"`}, n.cmd.Args...)
	n.cmd.Path = hubtest.Need(t, "sh")
	n.launch()
	n.URL = n.says(&n.out, `(http://127\.0\.0\.1:\d+)/socketexample`)
	var conns []net.Conn
	for range 40 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	n.says(&n.err, `level=WARN msg="no connection can be accepted, trying again" err="[^"]*too many open files`)
	for _, conn := range conns {
		conn.Close()
	}
	n.waitFor("/healthz", http.StatusOK)
}

// TestHTTPLog sorts what net/http has to say.
func TestHTTPLog(t *testing.T) {
	var out output
	l := httpLog{slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, text := range []string{
		"http: Accept error: accept tcp 127.0.0.1:1: accept4: too many open files; retrying in 5ms\n",
		"http: panic serving 192.0.2.1:1: oh\ngoroutine 7 [running]:\nmain.f()\n",
		"http: superfluous response.WriteHeader call\n",
	} {
		if n, err := io.WriteString(l, text); n != len(text) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	for _, want := range []string{
		`level=WARN msg="no connection can be accepted, trying again" err="http: Accept error: `,
		`level=ERROR msg=panic err="http: panic serving 192.0.2.1:1: oh" stack="goroutine 7 [running]:\nmain.f()"`,
		`level=DEBUG msg=http err="http: superfluous`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, &out)
		}
	}
}
