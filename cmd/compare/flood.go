package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	floodConns = 10_000
	// floodSeconds is a bit more than two lives of those connections that the server
	// gives up first, after 5 s. Others may stay half open for as long as it lasts.
	floodSeconds = 12
	// floodWait is how long it may take until all are open.
	floodWait = 30 * time.Second
	// floodDialers open them, with floodPause between two of the same dialer, so that
	// opening them all takes as long as the server keeps those, and no more than
	// 2,500 are opened in a second at any time.
	floodDialers = 50
	floodPause   = 20 * time.Millisecond
)

// floodBeginnings are what half-open clients send and do not go on from: two
// beginnings of a policy request, and two of handshakes, of which the second (hixie-76)
// lacks only a part of its body.
var floodBeginnings = []string{
	"<",
	"<policy-file-request/",
	"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpg",
	"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n" +
		"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds",
}

// flooder keeps connections half open.
type flooder struct {
	addr    string
	stopped context.Context // ends dialers and readers
	open    atomic.Int64    // connections now
	opened  atomic.Int64    // in all
	failed  atomic.Int64    // could not be opened
	dialers sync.WaitGroup  // they start readers, and are waited for first
	readers sync.WaitGroup
}

// startFlood opens the connections and opens others for those that the server
// closes. It returns when nearly all are open: so many never are at once, because
// the server gives up some all the time. The function that it returns closes them
// and waits.
func startFlood(ctx context.Context, s *server) (stop func(), err error) {
	stopped, cancel := context.WithCancel(ctx)
	f := &flooder{addr: strings.TrimPrefix(s.url, "http://"), stopped: stopped}
	for i := range floodDialers {
		f.dialers.Go(func() { f.keepOpen(i) })
	}
	stop = func() {
		fmt.Fprintf(os.Stderr, "  %d connections are half open at the end, %d were opened\n", f.open.Load(), f.opened.Load())
		cancel()
		f.dialers.Wait()
		f.readers.Wait()
	}
	for end := time.Now().Add(floodWait); f.open.Load() < floodConns*9/10; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) || ctx.Err() != nil {
			defer stop()
			return nil, fmt.Errorf("only %d connections are half open after %v, %d could not be opened", f.open.Load(), floodWait, f.failed.Load())
		}
	}
	return stop, nil
}

// keepOpen opens a connection whenever there are too few. The dialers begin with
// different beginnings.
func (f *flooder) keepOpen(dialer int) {
	for n := dialer; f.stopped.Err() == nil; time.Sleep(floodPause) {
		if f.open.Load() >= floodConns {
			continue
		}
		conn, err := net.Dial("tcp", f.addr)
		if err != nil {
			f.failed.Add(1)
			continue
		}
		n++
		f.open.Add(1)
		f.opened.Add(1)
		f.readers.Go(func() { f.hold(conn, floodBeginnings[n%len(floodBeginnings)]) })
	}
}

// hold sends a beginning and waits until the server has enough of it, or until the
// flood ends. The goroutine owns the connection.
func (f *flooder) hold(conn net.Conn, begin string) {
	defer f.open.Add(-1)
	defer conn.Close()
	defer context.AfterFunc(f.stopped, func() { _ = conn.Close() })()
	if _, err := io.WriteString(conn, begin); err == nil {
		_, _ = io.Copy(io.Discard, conn)
	}
}
