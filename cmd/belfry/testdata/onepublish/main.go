// Command onepublish serves in its own process, publishes over HTTP to one
// WebSocket subscriber, and writes which code that ran: a folder of coverage
// counters for each of some publishes, below the folder that it is given. It is
// built with -cover -covermode=atomic. A second argument is the URL of a Redis.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/coverage"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"belfry/hub"
	"belfry/hub/redisbroker"
	"belfry/web"
)

// publishes is how many are traced. What happens beside one, such as the strike of
// the date, happens beside few.
const publishes = 5

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

func run(dir string, redis []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o := hub.Options{Rules: hub.Rules{{Match: "*", ServerPublish: true, History: hub.History{Size: 10, TTL: time.Minute}}}}
	if len(redis) > 0 {
		broker, err := redisbroker.New(redisbroker.Options{URL: redis[0]})
		if err != nil {
			return err
		}
		o.Broker = broker
	}
	h := hub.New(o)
	go func() { _ = h.Run(ctx) }()
	for h.Ready(ctx) != nil {
		time.Sleep(10 * time.Millisecond)
	}
	server := httptest.NewServer(web.New(web.Options{Hub: h, APIKey: "key"}))
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(server.URL, "http")+"/connection/websocket", nil)
	if err != nil {
		return err
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"id":1,"connect":{}}`+"\n"+`{"id":2,"subscribe":{"channel":"news"}}`)); err != nil {
		return err
	}
	if _, _, err := conn.ReadMessage(); err != nil {
		return err
	}
	for i := range publishes + 1 { // the first opens connections
		if err := trace(server.URL, conn, filepath.Join(dir, fmt.Sprint(i))); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(dir, "0"))
}

// trace publishes once and writes what ran until the subscriber has heard of it, and
// the publisher too.
func trace(url string, conn *websocket.Conn, dir string) error {
	time.Sleep(100 * time.Millisecond) // what ran before has come to rest
	if err := coverage.ClearCounters(); err != nil {
		return err
	}
	r, err := http.NewRequest("POST", url+"/api/publish", strings.NewReader(`{"channel":"news","data":{"n":1}}`))
	if err != nil {
		return err
	}
	r.Header.Set("X-API-Key", "key")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if _, text, err := conn.ReadMessage(); err != nil || response.StatusCode != 200 || !strings.Contains(string(text), `{"n":1}`) {
		return fmt.Errorf("published %d, heard %q, %v", response.StatusCode, text, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := coverage.WriteMetaDir(dir); err != nil {
		return err
	}
	return coverage.WriteCountersDir(dir)
}
