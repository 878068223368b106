package web_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"belfry/hub/hubtest"
)

// TestPolyfillCuts sends a thousand messages each way while every connection is
// cut every two seconds: all have to arrive, once, in order.
func TestPolyfillCuts(t *testing.T) {
	t.Parallel()
	browser := hubtest.Browser(t)
	for _, query := range []string{"force=events", "force=stream", "force=poll", "without"} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			testPolyfillCuts(t, browser, query)
		})
	}
}

const (
	cutMessages = 1000 // each way
	cutPause    = 2 * time.Second
)

// crossfire notes what a socket hears, and sends numbers for as long as the
// server does. What is sent up comes back, because that is what a chat does.
const crossfire = `opened("/ws/chat-cuts").then(socket => {
	globalThis.socket = socket;
	globalThis.list = follow(socket);
	(async () => {
		for (let i = 1; i <= %d; i++) {
			socket.send("up " + i);
			if (i %% 10 === 0) await new Promise(soon => setTimeout(soon, 70));
		}
	})();
})`

func testPolyfillCuts(t *testing.T, browser context.Context, query string) {
	s := newPolyfillSite(t)
	p := s.open(t, browser, query)
	p.run(fmt.Sprintf(crossfire, cutMessages))
	stop := s.cutEvery(t, cutPause)
	for i := 1; i <= cutMessages; i++ {
		s.tower.publish(t, "chat-cuts", fmt.Sprintf(`"down %d"`, i))
		time.Sleep(7 * time.Millisecond) // so that it takes several cuts
	}
	p.waitFor(fmt.Sprintf("list.length >= %d", 2*cutMessages))
	cuts := stop()
	for _, way := range []string{"up", "down"} {
		count := fmt.Sprintf(`list.filter(line => line.startsWith("message %s"))`, way)
		if got := p.eval(count + ".every((line, i) => line === `message " + way + " ${i + 1}`)"); got != "true" {
			t.Errorf("%s: not in order, or not once: %s", way, p.eval(count))
		}
		if got := p.eval(count + ".length"); got != fmt.Sprint(cutMessages) {
			t.Errorf("%s: %s messages, want %d", way, got, cutMessages)
		}
	}
	if got := p.eval("socket.readyState"); got != "1" {
		t.Errorf("readyState %s, want 1: cuts are invisible", got)
	}
	if cuts < 3 {
		t.Errorf("only %d connections were cut", cuts)
	}
	t.Logf("%d connections cut, %d requests, transport %s", cuts, s.vias.Load(), p.eval("socket.transport"))
}

// TestPolyfillBulk sends at once more than a request takes and the server keeps.
func TestPolyfillBulk(t *testing.T) {
	t.Parallel()
	browser := hubtest.Browser(t)
	s := newPolyfillSite(t)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			p := s.open(t, browser, "force="+transport)
			p.evalAsync(echoed)
			p.run(`globalThis.rest = ":" + "x".repeat(30_000); globalThis.count = socket.heard.length + 100;
				for (let i = 1; i <= 100; i++) socket.send(">" + i + rest)`)
			p.waitFor("socket.heard.length >= count || socket.readyState !== 1")
			if got := p.eval("socket.heard.slice(1).every((text, i) => text === `>${i + 1}${rest}`) && socket.heard.length === count"); got != "true" {
				t.Errorf("not all, not once or not in order: %s", p.eval("socket.heard.map(text => text.slice(0, 5))"))
			}
			p.waitFor("socket.bufferedAmount === 0")
		})
	}
}
