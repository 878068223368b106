package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub/hubtest"
)

// TestCentrifugeFallbackFromNPM lets the published client library find its way
// where WebSocket is blocked, between two nodes and without stickiness.
func TestCentrifugeFallbackFromNPM(t *testing.T) {
	t.Parallel()
	c := startCluster(t, npmRules)
	other := c.start(t, "127.0.0.1:0")
	eachPlatform(t, c, []npmCase{
		{"HTTP stream", func(t *testing.T, c *npmCluster) { testNPMFallback(t, c, other, "http_stream") }},
		{"event stream", func(t *testing.T, c *npmCluster) { testNPMFallback(t, c, other, "sse", "http_stream") }},
		{"cut", func(t *testing.T, c *npmCluster) { testNPMFallbackCut(t, c, other) }},
		{"a node killed", testNPMFallbackKilled},
	})
}

// balancer stands before nodes, gives each request to the next of them, and
// refuses WebSocket.
type balancer struct {
	*httptest.Server
	nodes    atomic.Pointer[[]string] // host:port
	refused  atomic.Int64
	requests atomic.Int64
}

func newBalancer(t *testing.T, hosts ...string) *balancer {
	t.Helper()
	b := &balancer{}
	b.nodes.Store(&hosts)
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			b.refused.Add(1)
			http.Error(w, "no upgrades here", http.StatusForbidden)
			return
		}
		nodes := *b.nodes.Load()
		host := nodes[b.requests.Add(1)%int64(len(nodes))]
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})
		proxy.FlushInterval = -1
		proxy.ErrorLog = log.New(io.Discard, "", 0)
		proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
		hubtest.WholeBodies(proxy).ServeHTTP(w, r)
	}))
	t.Cleanup(func() { b.CloseClientConnections(); b.Close() })
	return b
}

// fallback is what a client is opened with that tries WebSocket and then others.
func fallback(t *testing.T, server string, others ...string) string {
	t.Helper()
	type transport struct {
		Transport string `json:"transport"`
		Endpoint  string `json:"endpoint"`
	}
	transports := []transport{{"websocket", "ws" + strings.TrimPrefix(server, "http") + "/connection/websocket"}}
	for _, name := range others {
		transports = append(transports, transport{name, server + "/connection/" + name})
	}
	text, err := json.Marshal(map[string]any{
		"transports": transports, "options": map[string]string{"emulationEndpoint": server + "/emulation"}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fallenBack opens a client that is connected over the first of the others.
func (c *npmCluster) fallenBack(t *testing.T, server string, others ...string) *remote {
	t.Helper()
	r := newRemote(t, c.open, fallback(t, server, others...))
	start := time.Now()
	r.must("", "connect")
	over := r.hear("connecting 0 connect called", "connected")[1].Detail.Transport
	t.Logf("connected over %s after %v", over, time.Since(start).Round(time.Millisecond))
	if want := others[0]; over != want {
		t.Errorf("connected over %s, want %s", over, want)
	}
	return r
}

func testNPMFallback(t *testing.T, c *npmCluster, other *node, transports ...string) {
	t.Helper()
	b := newBalancer(t, c.node.host(), other.host())
	r := c.fallenBack(t, b.URL, transports...)
	if b.refused.Load() == 0 {
		t.Error("it has not tried WebSocket")
	}
	long := channel(t, "long")
	r.subscribe(long)
	r.hear("subscribing 0 subscribe called", "subscribed at 0")
	c.node.publish(t, long, 1, 2)
	other.publish(t, long, 3)
	r.hear(numbered(1, 3)...)
	for n := 4; n <= 10; n++ {
		r.must(long, "publish", n)
	}
	r.hear(numbered(4, 10)...)
	var history struct{ Publications []struct{ Data int } }
	unmarshal(t, r.must(long, "history", map[string]int{"limit": 100}), &history)
	if len(history.Publications) != 10 {
		t.Errorf("history has %d messages, want 10", len(history.Publications))
	}
	r.disconnect()
}

// testNPMFallbackCut breaks connections while messages come.
func testNPMFallbackCut(t *testing.T, c *npmCluster, other *node) {
	b := newBalancer(t, c.node.host(), other.host())
	proxy := hubtest.NewProxy(t, b.Listener.Addr().String())
	r := c.fallenBack(t, "http://"+proxy.Addr(), "http_stream")
	long := channel(t, "long")
	r.subscribe(long)
	r.hear("subscribing 0 subscribe called", "subscribed at 0")
	stop := c.node.keepPublishing(t, long)
	heard := 0
	for range 3 {
		r.hear(numbered(heard+1, heard+20)...)
		proxy.Cut()
		heard = r.hearUntil(heard+20, "subscribing 1 transport closed")
		r.hear("connecting 1 transport closed", "connected")
		if e := r.event("recovered"); !strings.HasPrefix(e.String(), "recovered from") {
			t.Fatalf("after a cut: %s", e)
		}
	}
	r.hear(numbered(heard+1, stop())...)
	r.disconnect()
}

// testNPMFallbackKilled kills the node that has the client's session; requests
// for it are answered by the other.
func testNPMFallbackKilled(t *testing.T, c *npmCluster) {
	mine := c.start(t, "127.0.0.1:0")
	b := newBalancer(t, mine.host(), c.node.host())
	r := newRemote(t, c.open, fallback(t, b.URL, "http_stream"))
	r.must("", "connect")
	r.hear("connecting 0 connect called", "connected")
	long := channel(t, "long")
	r.subscribe(long)
	r.hear("subscribing 0 subscribe called", "subscribed at 0")
	c.node.publish(t, long, 1)
	r.hear(numbered(1, 1)...)
	mine.kill()
	b.nodes.Store(&[]string{c.node.host()}) // as a balancer does that looks after its nodes
	c.node.publish(t, long, 2)
	// Its session may have been at either node.
	for heard := 1; heard < 2; {
		if e := r.event("2: 2"); e.String() == "2: 2" {
			heard++
		}
	}
	c.node.publish(t, long, 3)
	r.hear(numbered(3, 3)...)
}
