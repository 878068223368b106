package carry_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/carry"
	"belfry/web/fault"
	"belfry/web/raw"
	"belfry/web/session"
)

// A session over HTTP on one channel: the response goes on for as long as the
// client listens.
func Example() {
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
	links := carry.New(carry.Options{Hub: h, Sessions: sessions})
	chat := raw.Channel("chat", nil)
	server := httptest.NewServer(fault.Answerer{Logger: sessions.Logger()}.Handle(func(w http.ResponseWriter, r *http.Request) error {
		return links.Serve(w, r, r.URL.Query(), chat)
	}))
	defer server.Close()

	stream, err := http.Post(server.URL+"?via=stream", "", nil)
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(stream.Body)
	lines.Scan() // the first says how the session is called

	if _, err := h.Publish(ctx, "chat", &hub.Message{Data: []byte(`"it is noon"`)}, hub.PublishOptions{}); err != nil {
		log.Fatal(err)
	}
	lines.Scan()
	fmt.Println(lines.Text())

	down := make(chan error)
	go func() { down <- sessions.Shutdown(ctx) }()
	lines.Scan()
	fmt.Println(lines.Text())
	stream.Body.Close()
	fmt.Println(<-down)
	// Output:
	// ["m","it is noon"]
	// ["close",1001,"server is going down, come back"]
	// <nil>
}
