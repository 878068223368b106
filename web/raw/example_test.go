package raw_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/gorilla/websocket"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/raw"
	"belfry/web/session"
	"belfry/web/ws"
)

// The protocol of plain text, joined to the transport of WebSockets: what a client
// says is published, and comes back to it like to everybody else.
func ExampleChannel() {
	h := hub.New(hub.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	defer running.Wait()
	defer cancel()
	sessions := session.NewRegistry(session.Options{
		Hub: h, Guard: access.Rules{For: h.Rule}, Logger: slog.New(slog.DiscardHandler),
		Limits: session.Limits{Message: 64 << 10, Buffer: 1 << 20, Subscriptions: 10},
	})
	sockets, chat := ws.New(ws.Options{Sessions: sessions}), raw.Channel("chat", nil)
	server := httptest.NewServer(fault.Answerer{Logger: sessions.Logger()}.Handle(func(w http.ResponseWriter, r *http.Request) error {
		return sockets.Serve(w, r, chat)
	}))
	defer server.Close()

	c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"it is noon", `{"noon": true}`} {
		if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			log.Fatal(err)
		}
		_, text, err := c.ReadMessage()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(text))
	}

	down := make(chan error)
	go func() { down <- sessions.Shutdown(ctx) }()
	_, _, err = c.ReadMessage()
	fmt.Println(err)
	c.Close()
	fmt.Println(<-down)
	// Output:
	// it is noon
	// {"noon":true}
	// websocket: close 1001 (going away): server is going down, come back
	// <nil>
}
