package load

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"belfry/hub/hubtest"
)

// fakeServer speaks both protocols over gorilla's WebSocket. What it does wrong
// is said by mangle.
type fakeServer struct {
	*httptest.Server
	// mangle returns what is sent in place of the n-th message, from 1, to a
	// connection; nil sends it as it is.
	mangle func(n int, text string) []string
	// most, unless it is 0, is how many texts may wait for a client before its
	// connection is closed. One client may be so far behind, the others are waited
	// for.
	most      int
	status    int          // of publish calls
	published atomic.Int64 // counted messages
	pongs     atomic.Int64 // answers to pings of the Centrifuge protocol
	goodbyes  atomic.Int64 // of sessions over HTTP
	tokens    sync.Map     // that were shown: how often, an *atomic.Int64

	mu       sync.Mutex // guards what follows
	channels map[string][]*fakeClient
	sessions []*fakeClient // over HTTP
}

// fakeClient is one subscription. Its writer ends with the connection.
type fakeClient struct {
	conn    *websocket.Conn
	channel string
	wrap    bool // in a push of the Centrifuge protocol
	sent    int
	out     chan string

	lines int           // over HTTP: what the client should have
	gone  chan struct{} // over HTTP: the client has said goodbye
}

func newFakeServer(t *testing.T) *fakeServer {
	s := &fakeServer{channels: make(map[string][]*fakeClient), status: http.StatusOK}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws/{channel}", s.raw)
	mux.HandleFunc("POST /ws/{channel}", s.overHTTP)
	mux.HandleFunc("GET /connection/websocket", s.centrifuge)
	mux.HandleFunc("POST /api/publish", s.api)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// options are for a short run.
func (s *fakeServer) options(p Protocol) Options {
	socket := strings.Replace(s.URL, "http", "ws", 1) + "/ws/{channel}"
	if p == Centrifuge {
		socket = strings.Replace(s.URL, "http", "ws", 1) + "/connection/websocket"
	}
	return Options{
		SocketURL: socket, PublishURL: s.URL + "/api/publish", Protocol: p, Channel: "c",
		Subscribers: 12, Channels: 3, Publishers: 2, Messages: 120, Rate: 1200, Size: 100,
		Warmup: 10 * time.Millisecond, Patience: hubtest.Patience,
	}
}

func (s *fakeServer) api(w http.ResponseWriter, r *http.Request) {
	var call struct{ Channel, Data string }
	if s.status != http.StatusOK {
		http.Error(w, "not for you", s.status)
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.publish(call.Channel, call.Data)
	fmt.Fprint(w, `{"result":{}}`)
}

func (s *fakeServer) publish(channel, text string) {
	for s.most > 0 && s.behind(channel) > 1 {
		time.Sleep(time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	warm := text[prefixSize+4:][:8] == "00000000"
	if !warm {
		s.published.Add(1)
	}
	for _, c := range s.channels[channel] {
		if s.most > 0 && len(c.out) > s.most {
			_ = c.conn.Close()
		}
		texts := []string{text}
		if !warm && s.mangle != nil {
			c.sent++
			texts = s.mangle(c.sent, text)
		}
		for _, text := range texts {
			if c.wrap {
				text = fmt.Sprintf(`{"push":{"channel":%q,"pub":{"data":%q}}}`, channel, text)
			}
			c.queue(text)
		}
	}
}

// behind is how many clients of a channel have not been sent much of what there
// is.
func (s *fakeServer) behind(channel string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.channels[channel] {
		if len(c.out) > 100 {
			n++
		}
	}
	return n
}

func (c *fakeClient) queue(text string) {
	select {
	case c.out <- text:
	default: // does not read
	}
}

var fakeUpgrader = websocket.Upgrader{WriteBufferSize: 1024}

// serve runs a connection: what to do with each text is up to hear. It hears nil
// before the client learns that it is connected, so that no message is missed.
func (s *fakeServer) serve(w http.ResponseWriter, r *http.Request, c *fakeClient, hear func(text []byte)) {
	c.out = make(chan string, 4096)
	hear(nil)
	conn, err := fakeUpgrader.Upgrade(w, r, nil)
	if err != nil {
		s.leave(c)
		return
	}
	defer conn.Close()
	s.mu.Lock()
	c.conn = conn
	s.mu.Unlock()
	if s.most > 0 {
		_ = conn.NetConn().(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(4096)
	}
	var writer sync.WaitGroup
	writer.Go(func() { s.write(c) })
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			break
		}
		hear(text)
	}
	s.leave(c)
	close(c.out)
	writer.Wait()
}

func (s *fakeServer) write(c *fakeClient) {
	for text := range c.out {
		if c.conn.WriteMessage(websocket.TextMessage, []byte(text)) != nil {
			_ = c.conn.Close()
		}
	}
}

func (s *fakeServer) join(c *fakeClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels[c.channel] = append(s.channels[c.channel], c)
}

func (s *fakeServer) leave(c *fakeClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels[c.channel] = slices.DeleteFunc(s.channels[c.channel], func(other *fakeClient) bool { return other == c })
}

// shown notes a token.
func (s *fakeServer) shown(token string) {
	n, _ := s.tokens.LoadOrStore(token, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

func (s *fakeServer) raw(w http.ResponseWriter, r *http.Request) {
	s.shown(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if r.FormValue("via") != "" {
		s.overHTTP(w, r)
		return
	}
	c := &fakeClient{channel: r.PathValue("channel")}
	s.serve(w, r, c, func(text []byte) {
		if text == nil {
			s.join(c)
		} else {
			s.publish(c.channel, string(text))
		}
	})
}

// centrifuge pings with its first answer.
func (s *fakeServer) centrifuge(w http.ResponseWriter, r *http.Request) {
	c := &fakeClient{wrap: true}
	s.serve(w, r, c, func(text []byte) {
		for line := range strings.Lines(string(text)) {
			var command struct {
				ID                     int
				Connect                *struct{ Token string }
				Subscribe, Unsubscribe *struct{ Channel string }
				Publish                *struct{ Channel, Data string }
			}
			_ = json.Unmarshal([]byte(line), &command)
			switch {
			case line == "{}":
				s.pongs.Add(1)
			case command.Connect != nil:
				s.shown(r.Header.Get("Authorization") + command.Connect.Token)
				c.queue(fmt.Sprintf("{\"id\":%d,\"connect\":{\"client\":\"x\",\"pong\":true}}\n{}", command.ID))
			case command.Subscribe != nil:
				c.channel = command.Subscribe.Channel
				s.mu.Lock()
				c.queue(fmt.Sprintf(`{"id":%d,"subscribe":{}}`, command.ID))
				s.channels[c.channel] = append(s.channels[c.channel], c)
				s.mu.Unlock()
			case command.Unsubscribe != nil:
				s.leave(c)
				c.queue(fmt.Sprintf(`{"id":%d,"unsubscribe":{}}`, command.ID))
			case command.Publish != nil:
				s.publish(command.Publish.Channel, command.Publish.Data)
				c.queue(fmt.Sprintf(`{"id":%d,"publish":{}}`, command.ID))
			}
		}
	})
}
