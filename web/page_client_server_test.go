package web_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

// testClientServerSide has the server subscribe the client to what the page subscribes
// to as well, with wishes of its own, and to what it does not.
func testClientServerSide(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTowerBy(t, "127.0.0.1:0", hub.Options{Rules: roomRules()}, func(o *web.Options) { o.Subscribe = []string{"date", "chat", "chat-2"} })
	p := openTab(t, browser, b.url("/healthz"))
	p.run(fmt.Sprintf(`import("/belfry.js").then(() => {
		Object.assign(globalThis, { dates: [], heard: [], others: [], refused: [], members: null });
		globalThis.belfry = new Belfry(%q);
		belfry.on("unsubscribed", e => refused.push(e));
		belfry.on("message", m => m.channel !== "date" && others.push(m.channel + " " + m.data));
		belfry.subscribe("date", m => dates.push(m.data));
		belfry.subscribe("chat", m => heard.push(m.data), { data: { name: "Ada" }, onMembers: m => { members = m; } });
	})`, b.url("")))
	p.waitFor(`dates.length > 0 && [...members?.values() ?? []].some(m => m.client === belfry.client && m.chan_info?.name === "Ada")`)
	b.publish(t, "chat", `"x"`)
	b.publish(t, "chat-2", `"x"`)
	p.waitFor(`heard.length === 1 && others.length === 1`)
	p.run(`belfry.reconnect(); undefined`) // it comes back after half a second
	b.publish(t, "chat", `"y"`)
	b.publish(t, "chat-2", `"y"`)
	p.waitFor(`heard.length === 2 && others.length === 2 && belfry.state === "connected"`)
	p.waitFor(`[...members.values()].some(m => m.client === belfry.client && m.chan_info?.name === "Ada")`)

	b.call(t, "/api/subscribe", fmt.Sprintf(`{"client":%q,"channel":"news"}`, p.eval("belfry.client")))
	b.publish(t, "news", `"for you"`)
	p.waitFor(`others.length === 3`)
	p.run(`globalThis.later = belfry.subscribe("news", m => heard.push(m.data)); belfry.subscribe("chat-2", m => heard.push(m.data)); undefined`)
	b.publish(t, "news", `"now"`)
	b.publish(t, "chat-2", `"z"`)
	p.waitFor(`heard.length === 4`)
	// Which of two channels is first nobody knows.
	if got, want := p.eval(`heard.sort().join() + " " + others.join() + " " + JSON.stringify(refused)`), "now,x,y,z chat-2 x,chat-2 y,news for you []"; got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
	p.wantQuiet()
}

// testClientLimit keeps to what the server takes in one message, and says what is not
// sent, and what is refused, when nobody listens.
func testClientLimit(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTowerBy(t, "127.0.0.1:0", hub.Options{Rules: roomRules()}, func(o *web.Options) { o.Limits.Message = 1 << 10 })
	p := loadClient(t, browser, b.url("/healthz"), b.url(""))
	p.waitFor(`belfry.state === "connected"`)
	p.run(`globalThis.warned = []; console.warn = text => warned.push(text); globalThis.got = "";
		belfry.publish("chat", "ä".repeat(500)).catch(e => { got = e.name + " " + e.code + " " + e.temporary + " " + e.message });
		belfry.subscribe("x".repeat(300), () => {});
		for (let i = 0; i < 60; i++) belfry.subscribe("chat-" + i, m => heard.push(m.data));
		undefined`)
	p.waitFor("got && warned.length")
	if got := p.eval("got"); !strings.HasPrefix(got, "BelfryError 106 false publish has 1") || !strings.HasSuffix(got, "at most 1024 in one message (limits.message)") {
		t.Errorf("got %q, want what is too large, and the limit", got)
	}
	if got := p.eval("warned.join('\\n')"); !strings.HasPrefix(got, `belfry.js: no subscription to "xxx`) || strings.Count(got, "\n") > 0 {
		t.Errorf("the console has %q, want one line about a subscription", got)
	}
	p.run(`belfry.publish("chat-59", "still here")`)
	p.waitFor("heard.length === 1")
	if got := p.eval("states.map(e => e.state).join()"); got != "connecting,connected" {
		t.Errorf("it was %s", got)
	}
}

// testClientLeaves wants nothing to be left of a client that is not going to come back.
func testClientLeaves(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	p := openTab(t, browser, b.url("/healthz"))
	p.run(`globalThis.signals = []; const add = addEventListener;
		globalThis.addEventListener = (type, f, options) => { signals.push(options.signal); add.call(globalThis, type, f, options); };
		import("/belfry.js").then(() => { globalThis.belfry = new Belfry() })`)
	for range 2 {
		p.waitFor(`belfry.state === "connected"`)
		if got := p.eval("signals.filter(signal => !signal.aborted).length"); got != "3" {
			t.Errorf("it listens to %s events of the page, want 3", got)
		}
		p.run("belfry.disconnect()")
		if got := p.eval("signals.filter(signal => !signal.aborted).length"); got != "0" {
			t.Errorf("it still listens to %s events of the page", got)
		}
		p.run("belfry.connect()")
	}
}

// TestClientWithoutWebSocket loads belfry.js in Node, which has no WebSocket before
// its version 22. That is said as every end is.
func TestClientWithoutWebSocket(t *testing.T) {
	t.Parallel()
	script := `delete globalThis.WebSocket; require("./page/static/belfry.js");
		const belfry = new Belfry("ws://127.0.0.1:1"); console.warn = text => console.log(JSON.stringify(text));
		if (process.argv[1]) belfry.on("state", ({ state, reason, retryIn }) => console.log(JSON.stringify([state, reason, retryIn])));`
	const why = "there is no WebSocket here: set globalThis.WebSocket, for instance to that of the package ws"
	for listens, want := range map[string]string{
		"listens": `["connecting",null,null]` + "\n" + `["disconnected","` + why + `",null]` + "\n",
		"":        `"belfry.js: the connection has ended for good: 0 ` + why + `"` + "\n",
	} {
		out, err := exec.CommandContext(t.Context(), hubtest.Need(t, "node"), "-e", script, listens).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%q: got %s, %v\nwant %s", listens, out, err, want)
		}
	}
}
