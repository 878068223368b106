package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"belfry/hub/hubtest"
)

// TestFlashMovie runs the movie of web-socket-js that came with socket.io 0.9,
// which speaks hixie-76, in Ruffle in Chromium. Ruffle hands the movie's socket
// to a WebSocket of bytes, which the test makes a TCP connection of.
func TestFlashMovie(t *testing.T) {
	t.Parallel()
	folder := legacyFolder(t)
	browser := hubtest.Browser(t)
	server := runProgram(t, nil)
	u, err := url.Parse(string(server))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &socketProxy{target: u.Host}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(folder)))
	mux.Handle("/proxy", proxy)
	pages := httptest.NewServer(mux)
	t.Cleanup(pages.Close)
	query := url.Values{"host": {u.Hostname()}, "port": {u.Port()}, "proxy": {strings.Replace(pages.URL, "http", "ws", 1) + "/proxy"}}
	_, told := openPage(t, browser, pages.URL+"/flash.html?"+query.Encode())
	late := time.After(3 * hubtest.Patience) // the player is a megabyte of code
	for _, want := range []string{"open", "echo and date", "close"} {
		select {
		case got := <-told:
			if got != want {
				t.Errorf("the page says %q, want %q", got, want)
			}
		case <-late:
			t.Fatalf("the page does not say %q; the movie sent %q", want, proxy.said())
		}
	}
	if said := proxy.said(); !strings.Contains(said, "Sec-WebSocket-Key1: ") {
		t.Errorf("the movie does not speak hixie-76: %q", said)
	}
}

// socketProxy makes TCP connections of WebSockets.
type socketProxy struct {
	target string

	mu   sync.Mutex // guards what follows
	sent strings.Builder
}

func (p *socketProxy) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent.String()
}

// ServeHTTP implements [http.Handler].
func (p *socketProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	front, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer front.Close()
	back, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	var down sync.WaitGroup
	down.Go(func() {
		buf := make([]byte, 4096)
		for n, err := back.Read(buf); err == nil; n, err = back.Read(buf) {
			_ = front.WriteMessage(websocket.BinaryMessage, buf[:n])
		}
		_ = front.Close()
	})
	defer down.Wait()
	defer back.Close()
	for {
		_, bytes, err := front.ReadMessage()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.sent.Write(bytes)
		p.mu.Unlock()
		if _, err := back.Write(bytes); err != nil {
			return
		}
	}
}
