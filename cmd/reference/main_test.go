package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"belfry/hub/hubtest"
)

// TestKinds publishes to both kinds and reads what comes.
func TestKinds(t *testing.T) {
	for kind, newChannel := range kinds {
		t.Run(kind, func(t *testing.T) {
			s := httptest.NewServer(newServer(newChannel))
			defer s.Close()
			first, second, other := dial(t, s, "a"), dial(t, s, "a"), dial(t, s, "b")
			for channel, all := range map[string][]*websocket.Conn{"a": {first, second}, "b": {other}} {
				for _, conn := range all {
					join(t, s, channel, conn)
				}
			}
			long := strings.Repeat("long ", 20_000)
			want := []string{"text", `{"n":1}`, "", long}
			for _, data := range []string{`"text"`, `{"n":1}`, `""`, `"` + long + `"`} {
				publish(t, s, `{"channel":"a","data":`+data+`}`, http.StatusOK)
			}
			publish(t, s, `{"channel":"b","data":"last"}`, http.StatusOK)
			for _, text := range want {
				hear(t, first, text)
				hear(t, second, text)
			}
			hear(t, other, "last")
			first.Close()
			publish(t, s, `{"channel":"a","data":"after one left"}`, http.StatusOK)
			hear(t, second, "after one left")

			// Connections that come later may have the descriptor of one that left.
			for range 4 {
				late := dial(t, s, "b")
				join(t, s, "b", late)
				publish(t, s, `{"channel":"a","data":"not for b"}`, http.StatusOK)
				publish(t, s, `{"channel":"b","data":"for b"}`, http.StatusOK)
				hear(t, late, "for b")
			}
		})
	}
}

func TestBadCalls(t *testing.T) {
	s := httptest.NewServer(newServer(newMelodyChannel))
	defer s.Close()
	for _, body := range []string{"", "nonsense", `{"data":1}`, `{"channel":"a"}`, `"` + strings.Repeat("x", maxBody) + `"`} {
		publish(t, s, body, http.StatusBadRequest)
	}
	if err := serve("fast", "", nil); err == nil || !strings.Contains(err.Error(), "want bare or melody") {
		t.Errorf("a kind that there is not: %v", err)
	}
}

func dial(t *testing.T, s *httptest.Server, channel string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial(strings.Replace(s.URL, "http", "ws", 1)+"/ws/"+channel, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(hubtest.Patience))
	return conn
}

// join waits until a connection hears its channel, which it joins a moment after
// the handshake.
func join(t *testing.T, s *httptest.Server, channel string, conn *websocket.Conn) {
	t.Helper()
	heard := make(chan error, 1)
	go func() {
		_, _, err := conn.ReadMessage()
		heard <- err
	}()
	for {
		publish(t, s, `{"channel":"`+channel+`","data":"hello"}`, http.StatusOK)
		select {
		case err := <-heard:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func publish(t *testing.T, s *httptest.Server, body string, want int) {
	t.Helper()
	response, err := http.Post(s.URL+"/api/publish", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != want {
		t.Errorf("publish %.60q: got %s, want %d", body, response.Status, want)
	}
}

// hear reads the next message but for greetings.
func hear(t *testing.T, conn *websocket.Conn, want string) {
	t.Helper()
	for {
		switch _, text, err := conn.ReadMessage(); {
		case err == nil && string(text) == "hello":
		case err != nil || string(text) != want:
			t.Fatalf("heard %.60q, %v; want %.60q", text, err, want)
		default:
			return
		}
	}
}
