package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"belfry/hub/hubtest"
)

// TestBrowserClient checks belfry.js in a real browser, on the real server and
// on one that follows a script.
func TestBrowserClient(t *testing.T) {
	t.Parallel()
	browser := hubtest.Browser(t)
	t.Run("loading", func(t *testing.T) { testClientLoading(t, browser) })
	t.Run("requests", func(t *testing.T) { testClientRequests(t, browser) })
	t.Run("subscriptions", func(t *testing.T) { testClientSubscriptions(t, browser) })
	t.Run("subscriptions of the server", func(t *testing.T) { testClientServerSide(t, browser) })
	t.Run("limit", func(t *testing.T) { testClientLimit(t, browser) })
	t.Run("leaving", func(t *testing.T) { testClientLeaves(t, browser) })
	t.Run("codes", func(t *testing.T) { testClientCodes(t, browser) })
	t.Run("what cannot be read", func(t *testing.T) { testClientSkips(t, browser) })
	t.Run("pings", func(t *testing.T) { testClientPings(t, browser) })
	t.Run("silence", func(t *testing.T) { testClientSilence(t, browser) })
}

// testClientLoading loads the client in each way and hears its own message.
func testClientLoading(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	const classic = `new Promise((loaded, failed) => document.head.append(Object.assign(document.createElement("script"),
		{ src: "/belfry.js", onload: loaded, onerror: failed }))).then(() => globalThis.Belfry)`
	for _, test := range []struct{ name, load string }{
		{"classic script", classic},
		{"ES module for its effect", `import("/belfry.js").then(() => globalThis.Belfry)`},
		{"ES module by name", `import("/belfry.mjs").then(m => m.Belfry)`},
		{"both", classic + `.then(first => import("/belfry.mjs").then(m => { if (m.Belfry !== first) throw new Error("two clients"); return first }))`},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := openTab(t, browser, b.url("/healthz"))
			p.run(test.load + `.then(Belfry => new Promise(heard => {
				const belfry = new Belfry();
				belfry.on("subscribed", () => belfry.publish("chat", "loaded"));
				belfry.subscribe("chat", ({ data }) => data === "loaded" && heard());
			}))`)
			p.wantQuiet()
		})
	}
}

// loadClient opens a page with the client in it and a list `states` of what it
// says of itself.
func loadClient(t *testing.T, browser context.Context, page, server string) *tab {
	t.Helper()
	p := openTab(t, browser, page)
	p.run(fmt.Sprintf(`import("/belfry.js").then(() => {
		globalThis.states = [];
		globalThis.heard = [];
		globalThis.belfry = new Belfry(%q);
		belfry.on("state", event => states.push(event));
	})`, server))
	return p
}

func testClientRequests(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	p := loadClient(t, browser, b.url("/healthz"), b.url(""))
	const outcome = `.then(() => "accepted", e => e.name + " " + e.code + " " + e.message)`
	p.waitFor("belfry.state === 'connected'")
	for _, test := range []struct{ request, want string }{
		{`belfry.publish("chat", {a: 1})`, "accepted"},
		{`belfry.publish("date", "now")`, "BelfryError 103 permission denied"},
		{`belfry.call("history", {channel: "chat"})`, "BelfryError 103 permission denied"},
		{`belfry.call("rpc")`, "BelfryError 108 not available"},
		{`belfry.call("no_such_thing")`, "BelfryError 104 method not found"},
		{`(belfry.disconnect(), belfry.publish("chat", 1))`, "BelfryError 0 cannot publish: not connected to the server (disconnected)"},
	} {
		p.run("globalThis.got = undefined; " + test.request + outcome + ".then(text => { got = text })")
		if got := p.eval("got"); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.request, got, test.want)
		}
	}
	if got := p.eval(`(() => { try { new Belfry("ftp://host") } catch (e) { return e.message } })()`); !strings.Contains(got, "want ws://") {
		t.Errorf("a wrong address: got %q, want what is accepted", got)
	}
	p.run("belfry.connect()")
	p.waitFor("belfry.state === 'connected'")
	p.wantQuiet()
}

func testClientSubscriptions(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	p := loadClient(t, browser, b.url("/healthz"), b.url(""))
	p.run(`new Promise(subscribed => {
		belfry.on("subscribed", subscribed);
		globalThis.one = belfry.subscribe("chat-1", m => heard.push("one " + m.data));
		globalThis.two = belfry.subscribe("chat-1", m => heard.push("two " + m.data));
	})`)
	b.publish(t, "chat-1", `"a"`)
	p.waitFor("heard.length === 2")
	p.run(`one.unsubscribe(); one.unsubscribe()`)
	b.publish(t, "chat-1", `"b"`)
	p.waitFor("heard.length === 3")
	// Off and on again in one frame: commands keep their order.
	p.run(`new Promise(subscribed => {
		two.unsubscribe();
		belfry.subscribe("chat-1", m => heard.push("three " + m.data));
		belfry.on("subscribed", subscribed);
	})`)
	b.publish(t, "chat-1", `"c"`)
	p.waitFor("heard.length === 4")
	if got, want := p.eval("heard"), "one a,two a,two b,three c"; got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	p.run(`new Promise(refused => {
		belfry.on("unsubscribed", refused);
		belfry.subscribe("x".repeat(300), () => {});
	}).then(event => { globalThis.refusal = event.code })`)
	if got := p.eval("refusal"); got != "107" {
		t.Errorf("a channel name that is too long is refused with %s, want 107", got)
	}
	p.wantQuiet()
}

// scripted serves the WebSocket endpoint by a function that gets each
// connection, numbered from 1, after it has been welcomed with a connect result.
func scripted(t *testing.T, welcome string, serve func(number int, c *websocket.Conn)) *httptest.Server {
	t.Helper()
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	numbers := make(chan int, 1)
	numbers <- 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		number := <-numbers + 1
		numbers <- number
		var connect struct{ ID int }
		if err := c.ReadJSON(&connect); err != nil {
			return
		}
		hello := fmt.Sprintf(`{"id":%d,"connect":%s}`, connect.ID, welcome)
		if err := c.WriteMessage(websocket.TextMessage, []byte(hello)); err == nil {
			serve(number, c)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func testClientCodes(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	for _, test := range []struct {
		code  int
		final bool
	}{
		{1000, false}, {1009, true}, {3001, false}, {3499, false}, {3500, true},
		{3999, true}, {4000, false}, {4499, false}, {4500, true}, {4999, true},
	} {
		t.Run(fmt.Sprint(test.code), func(t *testing.T) {
			t.Parallel()
			s := scripted(t, `{"client":"c"}`, func(number int, c *websocket.Conn) {
				if number == 1 {
					_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(test.code, "because"))
				}
				_, _, _ = c.ReadMessage()
			})
			p := loadClient(t, browser, b.url("/healthz"), s.URL)
			p.waitFor(`states.some(e => e.state === "disconnected")`)
			got := p.eval(`(e => [e.code, e.reason, e.retryIn === null ? "final" : e.retryIn >= 500 && e.retryIn <= 1000].join())(states.find(e => e.state === "disconnected"))`)
			want := fmt.Sprintf("%d,because,true", test.code)
			if test.final {
				want = fmt.Sprintf("%d,because,final", test.code)
			}
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if !test.final {
				p.waitFor(`belfry.state === "connected" && states.filter(e => e.state === "connected").length === 2`)
			}
			p.run("belfry.disconnect()")
		})
	}
}

// testClientPings wants an answer to each ping and the commands of a burst in
// one frame.
func testClientPings(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	frames := make(chan string, 10)
	s := scripted(t, `{"client":"c","ping":25,"pong":true}`, func(_ int, c *websocket.Conn) {
		_ = c.WriteMessage(websocket.TextMessage, []byte("{}\n{}"))
		for {
			_, frame, err := c.ReadMessage()
			if err != nil {
				return
			}
			frames <- string(frame)
		}
	})
	next := func() string {
		select {
		case frame := <-frames:
			return frame
		case <-time.After(pageWait):
			return "nothing"
		}
	}
	p := loadClient(t, browser, b.url("/healthz"), s.URL)
	if got, want := next(), "{}\n{}"; got != want {
		t.Errorf("pongs: got %q, want %q", got, want)
	}
	p.run(`belfry.subscribe("a", () => {}); belfry.subscribe("b", () => {}); belfry.publish("a", 1).catch(() => {}); undefined`)
	want := `{"id":2,"subscribe":{"channel":"a"}}` + "\n" + `{"id":3,"subscribe":{"channel":"b"}}` + "\n" + `{"id":4,"publish":{"channel":"a","data":1}}`
	if got := next(); got != want {
		t.Errorf("burst: got %q, want %q", got, want)
	}
	p.run("belfry.disconnect()")
}

// testClientSkips has a server send what is no JSON between messages: the client says
// so and goes on, on the same connection.
func testClientSkips(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	push := func(n int) string { return fmt.Sprintf(`{"push":{"channel":"a","pub":{"data":%d}}}`, n) }
	s := scripted(t, `{"client":"c"}`, func(_ int, c *websocket.Conn) {
		_, _, _ = c.ReadMessage()
		for _, text := range []string{`{"id":2,"subscribe":{}}`, push(1) + "\nnonsense\n" + push(2), "{", push(3)} {
			_ = c.WriteMessage(websocket.TextMessage, []byte(text))
		}
		_, _, _ = c.ReadMessage()
	})
	p := loadClient(t, browser, b.url("/healthz"), s.URL)
	p.waitFor(`belfry.state === "connected"`)
	p.run(`globalThis.warned = []; console.warn = text => warned.push(text);
		belfry.subscribe("a", ({ data }) => heard.push(data)); undefined`)
	p.waitFor("heard.length === 3")
	if got := p.eval(`heard.join() + " " + states.map(e => e.state).join()`); got != "1,2,3 connecting,connected" {
		t.Errorf("it heard and was %s, want all three messages on one connection", got)
	}
	if got := p.eval(`warned.length + " " + warned.every(text => text.startsWith("belfry.js: skipped "))`); got != "2 true" {
		t.Errorf("warnings: %s, want 2 that say what was skipped", got)
	}
	p.run("belfry.disconnect()")
}

// testClientSilence has a server that promises a ping each second and says
// nothing: ten seconds later the client has to come back.
func testClientSilence(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	s := scripted(t, `{"client":"c","ping":1}`, func(_ int, c *websocket.Conn) {
		_, _, _ = c.ReadMessage()
	})
	p := loadClient(t, browser, b.url("/healthz"), s.URL)
	p.waitFor(`belfry.state === "connected"`)
	p.run(`globalThis.since = performance.now()`)
	p.run(`new Promise(back => belfry.on("state", e => e.state === "disconnected" && back()))`)
	p.run(`globalThis.after = performance.now() - since; belfry.disconnect()`)
	if got := p.eval(`states.find(e => e.state === "disconnected").reason`); got != "nothing from the server for 11 s" {
		t.Errorf("reason: got %q", got)
	}
}
