package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

// newUnreadServer keeps little for all who do not read together. Its channel "chat" has
// a history of more than a megabyte, before which the cursor is.
func newUnreadServer(t *testing.T) (s *testServer, cursor string) {
	s = newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Rules: hub.Rules{{Match: "*", ServerPublish: true, History: hub.History{Size: 100, TTL: time.Hour}}}})
		o.Limits.Unread = 2 << 20
	})
	var at hub.Position
	for range 30 {
		at = hubtest.Publish(t, s.hub, "chat", fmt.Sprintf("%q", strings.Repeat("x", 60_000)))
	}
	return s, cursorOf(place{"chat", at.Epoch, 0})
}

// TestUnreadIsBounded has one client after another ask for much and read nothing, by
// each door: those who began go, and whoever reads gets everything.
func TestUnreadIsBounded(t *testing.T) {
	ask := frameOf(0x81, `{"id":2,"subscribe":{"channel":"chat"}}`) + strings.Repeat(frameOf(0x81, `{"id":3,"history":{"channel":"chat","limit":-1}}`), 40)
	for name, request := range map[string]string{
		"commands":  handshake("/connection/websocket", goodKey, versionField("13")) + frameOf(0x81, `{"id":1,"connect":{}}`) + ask,
		"long-poll": "GET /events?channel=chat&cursor=CURSOR HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, at := newUnreadServer(t)
			var all []*net.TCPConn
			for range 7 {
				conn := s.dialDeaf(t)
				all = append(all, conn)
				if _, err := io.WriteString(conn, strings.ReplaceAll(request, "CURSOR", at)); err != nil {
					t.Fatal(err)
				}
				if name == "long-poll" { // the next one asks when this is being answered
					if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if name == "long-poll" {
				wantCut(t, all[0])
			} else {
				hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumEvicted() >= 3 }, "some are sent away")
			}
			status, body := s.poll(t, "channel=chat&cursor="+at)
			if status != 200 || strings.Count(body, "xxxx") == 0 || len(body) < 900_000 {
				t.Errorf("one who reads gets %d with %d bytes", status, len(body))
			}
			if n := s.web.NumEvicted(); n > 6 {
				t.Errorf("all %d were sent away", n)
			}
		})
	}
}

// wantCut has an answer, of which the first byte was read, end before it should.
func wantCut(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	_ = conn.SetReadBuffer(1 << 20)
	answer, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("H"), conn)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, answer.Body); err == nil {
		t.Errorf("an answer of %d bytes came whole", n)
	}
}
