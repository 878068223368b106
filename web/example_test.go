package web_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"belfry/hub"
	"belfry/web"
)

// A whole server: a backend publishes by the HTTP API, and somebody who listens to
// an event stream hears it.
func Example() {
	h := hub.New(hub.Options{}) // in memory, by the default rules
	s := web.New(web.Options{Hub: h, APIKey: "secret"})
	server := httptest.NewServer(s)
	defer server.Close()

	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = h.Run(ctx) })
	parts.Go(func() { s.Run(ctx) })

	stream, err := http.Get(server.URL + "/events?channel=news")
	if err != nil {
		log.Fatal(err)
	}

	body := strings.NewReader(`{"channel": "news", "data": {"headline": "It is noon"}}`)
	r, err := http.NewRequest(http.MethodPost, server.URL+"/api/publish", body)
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("X-API-Key", "secret")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	answer.Body.Close()
	fmt.Println(answer.Status)

	for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			fmt.Println(data)
			break
		}
	}

	stream.Body.Close()
	_ = s.Shutdown(ctx) // clients go first
	cancel()
	parts.Wait()
	// Output:
	// 200 OK
	// {"channel":"news","data":{"headline":"It is noon"}}
}
