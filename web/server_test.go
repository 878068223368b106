package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

const testKey = "test-key"

// testServer is a whole Belfry in this process: real hub, router and sessions.
type testServer struct {
	*httptest.Server
	web *web.Server
	hub *hub.Hub
	log *logBuffer
	// client is what sessions over HTTP use.
	client *http.Client
}

// roomRules are the default rules, and rooms for tests that need several: channels
// that begin with "chat-" are like chat.
func roomRules() hub.Rules {
	rules := hub.DefaultRules()
	room := *rules.For("chat")
	room.Match = "chat-*"
	return slices.Insert(rules, len(rules)-1, room)
}

// newTestServer starts a server and stops it when the test ends. The function,
// which may be nil, changes its options.
func newTestServer(t testing.TB, change func(*web.Options)) *testServer {
	t.Helper()
	log := &logBuffer{}
	o := web.Options{APIKey: testKey, Version: "test", Logger: slog.New(slog.NewTextHandler(log, nil))}
	if change != nil {
		change(&o)
	}
	if o.Limits.PublishRate == 0 {
		o.Limits.PublishRate = 1 << 20 // tests that are about something else are fast
	}
	if o.Hub == nil {
		o.Hub = hub.New(hub.Options{Rules: roomRules()})
	}
	s := &testServer{web: web.New(o), hub: o.Hub, log: log, client: http.DefaultClient}
	s.Server = httptest.NewUnstartedServer(s.web)
	s.Config.ConnState = boundSending
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = s.hub.Run(ctx) })
	parts.Go(func() { s.web.Run(ctx) })
	t.Cleanup(func() {
		closing, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		_ = s.web.Shutdown(closing)
		s.Close()
		cancel()
		parts.Wait()
	})
	return s
}

// boundSending has the system keep little of what a client has not read, however much
// it would by itself.
func boundSending(c net.Conn, state http.ConnState) {
	if tcp, ok := c.(*net.TCPConn); ok && state == http.StateNew {
		_ = tcp.SetWriteBuffer(128 << 10)
	}
}

// logBuffer keeps what is logged.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// client is a WebSocket client that never waits for ever.
type client struct {
	t testing.TB
	*websocket.Conn
	pings bool // come as messages, as in the Centrifuge protocol
}

// dial opens a WebSocket to a path of the server.
func (s *testServer) dial(t testing.TB, path string) *client {
	t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+path, nil)
	if err != nil {
		t.Fatalf("dial %s: %v (%v)", path, err, response)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn, path == "/connection/websocket"}
}

func (c *client) say(text string) {
	c.t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatalf("say %q: %v", text, err)
	}
}

// hear returns the next message. Pings, of which the first may come after a second,
// are answered.
func (c *client) hear() string {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(hubtest.Patience))
	for {
		_, text, err := c.ReadMessage()
		if err != nil {
			c.t.Fatalf("hear: %v", err)
		}
		if !c.pings || string(text) != "{}" {
			return timeless(string(text))
		}
		c.say("{}")
	}
}

// timeless takes out the times of publications, which differ from run to run. It
// leaves that of a connect result, which is not the last.
func timeless(text string) string { return publicationTime.ReplaceAllString(text, "}") }

var publicationTime = regexp.MustCompile(`,"time":\d{13}}`)

// hearUntil skips messages, the date among them, until one is wanted.
func (c *client) hearUntil(wanted func(string) bool, what string) string {
	c.t.Helper()
	for range 100 {
		if text := c.hear(); wanted(text) {
			return text
		}
	}
	c.t.Fatalf("no %s in 100 messages", what)
	return ""
}

// closed reads until the server closes, and returns its code and reason.
func (c *client) closed() (int, string) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(hubtest.Patience))
	for {
		_, text, err := c.ReadMessage()
		if err == nil {
			c.t.Logf("before the close: %q", text)
			continue
		}
		if ce, ok := err.(*websocket.CloseError); ok {
			return ce.Code, ce.Text
		}
		c.t.Fatalf("closed without a close frame: %v", err)
	}
}

// call makes an API call and returns the status and the decoded answer.
func (s *testServer) call(t testing.TB, path, body string, headers ...string) (int, map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%s answered %d with %q: %v", path, response.StatusCode, text, err)
	}
	return response.StatusCode, answer
}

// publish publishes for the backend and fails the test if that is refused.
func (s *testServer) publish(t testing.TB, channel, data string) {
	t.Helper()
	body := fmt.Sprintf(`{"channel":%q,"data":%s}`, channel, data)
	if status, answer := s.insist(t, "publish", body); status != http.StatusOK {
		t.Fatalf("publish: %d %v", status, answer)
	}
}

// insist makes a call with the key, and makes it again when the server says that
// it had no time for it: on a busy machine that is no fault.
func (s *testServer) insist(t testing.TB, method, body string) (status int, answer map[string]any) {
	t.Helper()
	for end := time.Now().Add(hubtest.Patience); ; {
		status, answer = s.call(t, "/api/"+method, body, "X-API-Key", testKey)
		failure, _ := answer["error"].(map[string]any)
		text, _ := failure["message"].(string)
		if !strings.HasSuffix(text, "try again") || time.Now().After(end) {
			return status, answer
		}
	}
}
