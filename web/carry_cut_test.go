package web_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

// TestCarryCuts sends a thousand messages each way while every connection is cut
// again and again: all arrive, once, in order.
func TestCarryCuts(t *testing.T) {
	eachVia(t, func(t *testing.T, s *testServer, via string) {
		proxy := hubtest.NewProxy(t, s.Listener.Addr().String())
		c := openLink(t, s.client, func() string { return "http://" + proxy.Addr() }, via, "/ws/chat")
		cuts := exchange(t, s, c, 30*time.Millisecond, func() int { return proxy.Cut() })
		t.Logf("%d cuts, %d requests that carried the session", cuts, c.requests.Load())
		if cuts < 5 {
			t.Errorf("only %d cuts", cuts)
		}
	})
}

// TestCarryAnyNode sends a thousand messages each way between three nodes, each
// request to another: all arrive, once, in order.
func TestCarryAnyNode(t *testing.T) {
	t.Parallel()
	for _, via := range vias {
		t.Run(via, func(t *testing.T) {
			t.Parallel()
			testAnyNode(t, via, newMembers(3))
		})
	}
}

// TestCarryAnyNodeRedis does the same with a real Redis between the nodes.
func TestCarryAnyNodeRedis(t *testing.T) {
	t.Parallel()
	for _, via := range vias {
		t.Run(via, func(t *testing.T) { testAnyNode(t, via, redisBrokers(t, 3)) })
	}
}

// TestCarryAnyNodeLarge has large messages travel between nodes, which takes
// several calls.
func TestCarryAnyNodeLarge(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, newMembers(2), func(o *web.Options) { o.Limits.Message = 900 << 10 })
	mine, other := nodes[0], nodes[1]
	text := strings.Repeat("é", 300<<10)
	for _, via := range vias {
		t.Run(via, func(t *testing.T) {
			channel := "chat-" + via
			name := mine.beginLink(t, via, "/ws/"+channel, "").open()
			native := mine.dial(t, "/ws/"+channel) // hears after the others
			mine.publish(t, channel, fmt.Sprintf("%q", text))
			native.hear()
			far := other.beginLink(t, via, "/ws/"+channel, "&session="+name)
			if via != "poll" {
				far.wants(`["ping"]`)
			}
			far.wants(`["m","` + text + `"]`)
			c := openLink(t, http.DefaultClient, swap(mine.URL, other.URL), via, "/ws/"+channel)
			c.say("small", text)
			if got := c.hear() + c.hear(); got != "small"+text {
				t.Errorf("heard %d bytes of its own", len(got))
			}
			line := strings.NewReader(`"` + strings.Repeat("x", 800<<10) + `"`)
			r, err := http.NewRequest("POST", other.URL+"/ws/"+channel+"?via=send&first=3&session="+c.name, line)
			if err != nil {
				t.Fatal(err)
			}
			if status, _, answer := do(t, r); status != http.StatusRequestEntityTooLarge {
				t.Errorf("a line that does not travel: %d %s, want 413", status, answer)
			}
		})
	}
}

// swap returns addresses by turns.
func swap(urls ...string) func() string {
	var n atomic.Int64
	return func() string { return urls[int(n.Add(1)-1)%len(urls)] }
}

// TestCarryOwnerLeaves ends a session at its node, seen from another, and then asks
// a node that leaves for a session of another.
func TestCarryOwnerLeaves(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, newMembers(3))
	mine, other, third := nodes[0], nodes[1], nodes[2]
	name := mine.beginLink(t, "poll", "/ws/chat", "").open()
	stays := third.beginLink(t, "poll", "/ws/chat", "").open()
	far := other.beginLink(t, "stream", "/ws/chat", "&session="+name)
	far.wants(`["ping"]`)
	if err := mine.web.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	far.wants(`["close",1001,"server is going down, come back"]`)
	far.wantsEnd()
	waits := other.beginLink(t, "stream", "/ws/chat", "&session="+stays)
	waits.wants(`["ping"]`)
	if err := other.web.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	waits.wantsEnd() // and its client asks another node
	again := third.beginLink(t, "stream", "/ws/chat", "&session="+stays)
	again.wants(`["ping"]`)
}

// testAnyNode runs over nodes with the given brokers.
func testAnyNode(t *testing.T, via string, brokers []hub.Broker) {
	t.Helper()
	nodes := newCluster(t, brokers)
	var proxies []*hubtest.Proxy
	for _, n := range nodes {
		proxies = append(proxies, hubtest.NewProxy(t, n.Listener.Addr().String()))
	}
	base := swap("http://"+proxies[0].Addr(), "http://"+proxies[1].Addr(), "http://"+proxies[2].Addr())
	c := openLink(t, httpClient(t, "HTTP/1.1"), base, via, "/ws/chat")
	cuts := exchange(t, nodes[0], c, 60*time.Millisecond, func() (n int) {
		for _, p := range proxies {
			n += p.Cut()
		}
		return n
	})
	t.Logf("%d cuts, %d requests that carried the session", cuts, c.requests.Load())
	c.say("quit")
	c.sayLines(`["close",1000,""]`)
	if e := c.end(); e.code != 1000 {
		t.Errorf("end: %+v", e)
	}
}

// exchange has a client say a thousand messages and a backend publish as many,
// while a function cuts connections, at least once in a hundred of them. It wants
// the client and a WebSocket beside it to hear all of them in order.
func exchange(t *testing.T, s *testServer, c *linkClient, every time.Duration, cut func() int) int {
	t.Helper()
	const n = 1000
	var cuts atomic.Int64
	native := s.dial(t, "/ws/chat")
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() {
		before := c.got.Load()
		for tick := time.NewTicker(every); ctx.Err() == nil; {
			select {
			case <-ctx.Done():
				tick.Stop()
			case <-tick.C:
				// Not before something has come: on a busy machine nothing would.
				if got := c.got.Load(); got > before && cut() > 0 {
					before = got
					cuts.Add(1)
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
			for cuts.Load() < int64(i/100) && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
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
	return int(cuts.Load())
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
