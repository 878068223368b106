package web_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

// TestViaCuts sends a thousand messages each way while every connection is cut
// again and again: all arrive, once, in order.
func TestViaCuts(t *testing.T) {
	eachVia(t, func(t *testing.T, s *testServer, via string) {
		proxy := hubtest.NewProxy(t, s.Listener.Addr().String())
		c := openVia(t, s.client, func() string { return "http://" + proxy.Addr() }, via, "/ws/chat")
		cuts := exchange(t, s, c, 30*time.Millisecond, func() int { return proxy.Cut() })
		t.Logf("%d cuts, %d requests that carried the session", cuts, c.carried.Load())
		if cuts < 5 {
			t.Errorf("only %d cuts", cuts)
		}
	})
}

// TestViaAnyNode sends a thousand messages each way between three nodes, each
// request to another: all arrive, once, in order.
func TestViaAnyNode(t *testing.T) {
	t.Parallel()
	for _, via := range vias {
		t.Run(via, func(t *testing.T) {
			t.Parallel()
			testAnyNode(t, via, newTown())
		})
	}
}

// testAnyNode runs over nodes whose brokers the given town makes.
func testAnyNode(t *testing.T, via string, town interface{ broker() hub.Broker }) {
	t.Helper()
	var nodes []*testServer
	for range 3 {
		nodes = append(nodes, newTestServer(t, func(o *web.Options) { o.Hub = hub.New(hub.Options{Broker: town.broker()}) }))
	}
	for _, n := range nodes {
		hubtest.Eventually(t, 15*time.Second, func() bool { return n.hub.Ready(t.Context()) == nil }, "the node is ready")
	}
	var proxies []*hubtest.Proxy
	for _, n := range nodes {
		proxies = append(proxies, hubtest.NewProxy(t, n.Listener.Addr().String()))
	}
	var mu sync.Mutex
	next := 0
	base := func() string {
		mu.Lock()
		defer mu.Unlock()
		next++
		return "http://" + proxies[next%len(proxies)].Addr()
	}
	c := openVia(t, httpClient(t, "HTTP/1.1"), base, via, "/ws/chat")
	cuts := exchange(t, nodes[0], c, 60*time.Millisecond, func() (n int) {
		for _, p := range proxies {
			n += p.Cut()
		}
		return n
	})
	t.Logf("%d cuts, %d requests that carried the session", cuts, c.carried.Load())
	c.say("quit")
	c.sayLines(`["close",1000,""]`)
	if e := c.end(); e.code != 1000 {
		t.Errorf("end: %+v", e)
	}
}

// exchange has a client say a thousand messages and a backend publish as many,
// while a function cuts connections. It wants the client and a WebSocket beside it
// to hear all of them in order.
func exchange(t *testing.T, s *testServer, c *viaClient, every time.Duration, cut func() int) (cuts int) {
	t.Helper()
	const n = 1000
	native := s.dial(t, "/ws/chat")
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() {
		for tick := time.NewTicker(every); ctx.Err() == nil; {
			select {
			case <-ctx.Done():
				tick.Stop()
			case <-tick.C:
				if cut() > 0 {
					cuts++
				}
			}
		}
	})
	work.Go(func() {
		for i := 0; i < n; i += 10 {
			var batch []string
			for j := range 10 {
				batch = append(batch, fmt.Sprintf("up %d", i+j))
			}
			c.say(batch...)
		}
	})
	work.Go(func() {
		for i := range n {
			m := &hub.Message{Data: fmt.Appendf(nil, `"down %d"`, i)}
			if _, err := s.hub.Publish(ctx, "chat", m, hub.PublishOptions{}); err != nil {
				t.Errorf("publish: %v", err)
				return
			}
			time.Sleep(time.Millisecond / 2)
		}
	})
	var heard, wanted counts
	for range 2 * n {
		wanted.add(t, native.hear())
	}
	for range 2 * n {
		heard.add(t, c.hear())
	}
	cancel()
	work.Wait()
	if heard != wanted || heard != (counts{n, n}) {
		t.Errorf("heard %+v, the WebSocket %+v, want %d of each", heard, wanted, n)
	}
	if len(c.heard) > 0 {
		t.Errorf("%d more messages, the next is %q", len(c.heard), <-c.heard)
	}
	return cuts
}

// counts are the numbers of the messages that are heard next.
type counts struct{ up, down int }

func (c *counts) add(t *testing.T, text string) {
	t.Helper()
	next := &c.up
	if strings.HasPrefix(text, "down") {
		next = &c.down
	}
	if want := fmt.Sprintf("%s %d", strings.Fields(text)[0], *next); text != want {
		t.Fatalf("heard %q, want %q", text, want)
	}
	*next++
}
