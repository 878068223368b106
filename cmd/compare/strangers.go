package main

import (
	"context"
	"encoding/binary"
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
	// strangersEach is how many connections there are of most kinds of strangers. One
	// that is closed is opened again after strangersPause.
	strangersEach  = 40
	strangersPause = 250 * time.Millisecond
)

// stranger is a kind of client that wants the server to do or keep much.
type stranger struct {
	clients int           // at a time
	begin   string        // what each sends first
	again   func() string // what each sends in each strangersPause; nil: an empty ping
	deaf    bool          // it reads nothing
}

// strangers are all kinds. The history of the channel chat is as large as it may be,
// and the cursor is from before it. Those who flood are one client each: rates bound
// them, and many of them are as many clients more.
func strangers(cursor string) []stranger {
	speak := upgrade("/connection/websocket") + maskedFrame(`{"id":1,"connect":{}}`)
	enter := speak + maskedFrame(`{"id":2,"subscribe":{"channel":"chat","join_leave":true,"data":"`+strings.Repeat("x", 1000)+`"}}`)
	listen := "GET /events?channel=chat&cursor=" + cursor + " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	poll := "POST /ws/chat?via=poll HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"
	const half = "POST /api/publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"
	var name atomic.Int64
	return []stranger{
		{clients: strangersEach, begin: enter + commands(500, `"history":{"channel":"chat","limit":-1}`), deaf: true},
		{clients: strangersEach, begin: enter + commands(500, `"presence":{"channel":"chat"}`), deaf: true},
		{clients: strangersEach, begin: listen + "\r\n", again: always("\r\n"), deaf: true},
		{clients: strangersEach, begin: listen + "Accept: application/json\r\n\r\n", again: always("\r\n"), deaf: true},
		{clients: strangersEach, begin: upgrade("/ws/chat-flood"), deaf: true},
		{clients: strangersEach, begin: half, again: always(" ")},
		{clients: strangersEach, begin: poll, again: always(poll)},
		{clients: strangersEach, begin: speak, again: func() string {
			n := name.Add(1)
			return maskedFrame(fmt.Sprintf(`{"id":3,"subscribe":{"channel":"n%d"}}`+"\n"+`{"id":4,"unsubscribe":{"channel":"n%d"}}`, n, n-strangersEach))
		}},
		{clients: 1, begin: speak, again: always(commands(50, `"publish":{"channel":"chat-flood","data":"`+strings.Repeat("x", 1000)+`"}`))},
		{clients: 1, begin: speak, again: always(commands(200, `"subscribe":{"channel":"chat-flood"}}`+"\n"+`{"id":4,"unsubscribe":{"channel":"chat-flood"}`))},
		{clients: 1, begin: speak, again: always(commands(1000, `"presence_stats":{"channel":"chat"}`))},
	}
}

// upgrade is the request for a WebSocket.
func upgrade(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

// commands is a message with a command so many times.
func commands(n int, command string) string {
	return maskedFrame(strings.TrimSuffix(strings.Repeat(`{"id":3,`+command+"}\n", n), "\n"))
}

func always(text string) func() string { return func() string { return text } }

// maskedFrame is a text as a client sends it, masked by zeros.
func maskedFrame(text string) string {
	return string(binary.BigEndian.AppendUint16([]byte{0x81, 0xfe}, uint16(len(text)))) + "\x00\x00\x00\x00" + text
}

// startStrangers has strangers come until stop is called, which waits for them.
func startStrangers(ctx context.Context, addr string, kinds []stranger) (stop func()) {
	if addr == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	var opened atomic.Int64
	for _, kind := range kinds {
		for range kind.clients {
			all.Go(func() {
				for ; ctx.Err() == nil; time.Sleep(strangersPause) {
					opened.Add(1)
					kind.visit(ctx, addr)
				}
			})
		}
	}
	return func() {
		cancel()
		all.Wait()
		fmt.Fprintf(os.Stderr, "  %d connections of strangers were opened\n", opened.Load())
	}
}

// visit is one connection, until the server or the context ends it.
func (k stranger) visit(ctx context.Context, addr string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if k.deaf {
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	} else {
		go func() { _, _ = io.Copy(io.Discard, conn); _ = conn.Close() }() // ends with the connection
	}
	_, err = io.WriteString(conn, k.begin)
	for err == nil {
		time.Sleep(strangersPause)
		text := "\x89\x80\x00\x00\x00\x00" // a ping: it fails when the connection is gone
		if k.again != nil {
			text = k.again()
		}
		_, err = io.WriteString(conn, text)
	}
}
