package load

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestRefusedLate has a server that takes its time to close the connection over
// which somebody publishes, until all that warms up has been sent.
func TestRefusedLate(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := fakeUpgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
		time.Sleep(300 * time.Millisecond)
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1008, "not for you"), time.Now().Add(time.Second))
		_, _, _ = conn.ReadMessage()
	}))
	t.Cleanup(s.Close)
	o := newFakeServer(t).options(Raw)
	o.SocketURL, o.PublishURL = strings.Replace(s.URL, "http", "ws", 1)+"/{channel}", ""
	start := time.Now()
	_, err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "the server closed connections (code 1008: ") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > warmWait {
		t.Errorf("it took %v to notice", took)
	}
}
