package main

import (
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"belfry/hub/hubtest"
)

// TestStopWithManyClients checks that a server which is told to stop tells each
// of its clients to come back.
func TestStopWithManyClients(t *testing.T) {
	const clients = 1000
	n := serve(t)
	codes := make([]int, clients)
	var dialing, reading sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range clients {
		slots <- struct{}{}
		dialing.Go(func() {
			defer func() { <-slots }()
			if conn := n.dialClient(i%2 == 0); conn != nil {
				reading.Go(func() { codes[i] = closeCode(conn) })
			}
		})
	}
	dialing.Wait()
	if t.Failed() {
		t.FailNow()
	}
	n.signal(syscall.SIGTERM)
	begin := time.Now()
	code := n.exit()
	t.Logf("%d clients sent away in %v", clients, time.Since(begin))
	if code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, &n.err)
	}
	reading.Wait()
	got := map[int]int{}
	for _, c := range codes {
		got[c]++
	}
	if got[1001] != clients/2 || got[3001] != clients/2 {
		t.Errorf("close codes %v, want %d of 1001 (raw) and as many of 3001 (Centrifuge)", got, clients/2)
	}
}

// dialClient connects a client that follows chat, in one protocol or the other.
func (n *node) dialClient(raw bool) *websocket.Conn {
	path := "/connection/websocket"
	if raw {
		path = "/ws/chat"
	}
	dialer := websocket.Dialer{HandshakeTimeout: hubtest.Patience, ReadBufferSize: 512, WriteBufferSize: 512}
	conn, _, err := dialer.Dial(serverURL(n.URL).webSocket(path), nil)
	if err != nil {
		n.t.Errorf("dial %s: %v", path, err)
		return nil
	}
	if raw {
		return conn
	}
	hello := `{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"chat"}}`
	if err := conn.WriteMessage(websocket.TextMessage, []byte(hello)); err != nil {
		n.t.Errorf("connect: %v", err)
	}
	if _, _, err := conn.ReadMessage(); err != nil {
		n.t.Errorf("connect: %v", err)
	}
	return conn
}

// closeCode reads to the end and returns the code that the server closes with,
// -1 when it says none.
func closeCode(conn *websocket.Conn) int {
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(hubtest.Patience))
	for {
		_, _, err := conn.ReadMessage()
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed):
			return closed.Code
		case err != nil:
			return -1
		}
	}
}
