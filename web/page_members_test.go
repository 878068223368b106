package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// TestBrowserMembers checks what belfry.js knows of who is on a channel.
func TestBrowserMembers(t *testing.T) {
	t.Parallel()
	browser := hubtest.Browser(t)
	t.Run("list and pushes meet", func(t *testing.T) { testMembersMerge(t, browser) })
	t.Run("lists overtaken", func(t *testing.T) { testMembersOvertaken(t, browser) })
	t.Run("not told", func(t *testing.T) { testMembersUntold(t, browser) })
	t.Run("joins and leaves", func(t *testing.T) { testMembersEvents(t, browser) })
	t.Run("data changes in the stream", func(t *testing.T) { testMembersData(t, browser) })
	t.Run("data changes before the answer", func(t *testing.T) { testMembersDataUnanswered(t, browser) })
	t.Run("data changes at any time", func(t *testing.T) { testMembersDataEarly(t, browser) })
}

// watchMembers has the client subscribe and note each list in `lists`, as
// client=name in the order of clients; "?" when the server does not tell.
const watchMembers = `globalThis.lists = [];
	globalThis.sub = belfry.subscribe("chat", m => heard.push(m.data), {
		data: {name: "me"},
		onMembers: (members, whole) => lists.push((whole ? "whole " : "") + (members
			? [...members.values()].map(m => m.client + "=" + m.chan_info?.name).sort().join(" ") : "?")),
	}); undefined`

// script starts a server that answers each command, but connect, by what the
// function returns, and returns its address. Connections are numbered from 1.
func script(t *testing.T, answer func(number int, method string, id int) []string) string {
	t.Helper()
	var connections atomic.Int32
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		number := int(connections.Add(1))
		for {
			_, frame, err := c.ReadMessage()
			if err != nil {
				return
			}
			for line := range bytes.Lines(frame) {
				method, id := parseCommand(t, line)
				lines := []string{fmt.Sprintf(`{"id":%d,%q:{"client":"me"}}`, id, method)}
				if method != "connect" {
					lines = answer(number, method, id)
				}
				for _, line := range lines {
					_ = c.WriteMessage(websocket.TextMessage, []byte(line))
				}
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func parseCommand(t *testing.T, line []byte) (method string, id int) {
	var command map[string]json.RawMessage
	if err := json.Unmarshal(line, &command); err != nil || json.Unmarshal(command["id"], &id) != nil {
		t.Errorf("the client sent %q: %v", line, err)
	}
	delete(command, "id")
	for method = range command {
	}
	return method, id
}

func pushOf(kind, client, name string) string {
	return fmt.Sprintf(`{"push":{"channel":"chat",%q:{"info":{"user":"","client":%q,"chan_info":{"name":%q}}}}}`, kind, client, name)
}

// listOf answers a presence command; members are client=name.
func listOf(id int, members ...string) string {
	list := make(map[string]any)
	for _, m := range members {
		client, name, _ := strings.Cut(m, "=")
		list[client] = map[string]any{"user": "", "client": client, "chan_info": map[string]any{"name": name}}
	}
	text, _ := json.Marshal(map[string]any{"id": id, "presence": map[string]any{"presence": list}})
	return string(text)
}

func subscribed(id int) string { return fmt.Sprintf(`{"id":%d,"subscribe":{}}`, id) }

// testMembersMerge lets pushes come before and after the list, which may be older
// than they are or newer.
func testMembersMerge(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	for _, test := range []struct {
		name   string
		before []string // pushes between the subscription and the list
		list   []string
		after  []string
		want   string
	}{
		{"the list alone", nil, []string{"me=me", "a=Ada"}, nil, "a=Ada me=me"},
		{"a leave that the list does not know", []string{pushOf("leave", "a", "Ada")}, []string{"me=me", "a=Ada"}, nil, "me=me"},
		{"a leave that it knows", []string{pushOf("leave", "a", "Ada")}, []string{"me=me"}, nil, "me=me"},
		{"a join that the list does not know", []string{pushOf("join", "a", "Ada")}, []string{"me=me"}, nil, "a=Ada me=me"},
		{"a join that it knows", []string{pushOf("join", "a", "Ada")}, []string{"me=me", "a=Ada"}, nil, "a=Ada me=me"},
		{"a join that comes late", nil, []string{"me=me", "a=Ada"}, []string{pushOf("join", "a", "Ada")}, "a=Ada me=me"},
		{"who joins and leaves", []string{pushOf("join", "a", "Ada"), pushOf("leave", "a", "Ada")}, []string{"me=me", "a=Ada"}, nil, "me=me"},
		{"who joins and leaves around the list", []string{pushOf("join", "a", "Ada")}, []string{"me=me", "a=Ada"}, []string{pushOf("leave", "a", "Ada")}, "me=me"},
		{"another name before the list", []string{pushOf("leave", "a", "Ada"), pushOf("join", "a", "Grace")}, []string{"me=me", "a=Ada"}, nil, "a=Grace me=me"},
		{"another name around the list", []string{pushOf("leave", "a", "Ada")}, []string{"me=me", "a=Grace"}, []string{pushOf("join", "a", "Grace")}, "a=Grace me=me"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url := script(t, func(_ int, method string, id int) []string {
				switch method {
				case "subscribe":
					return []string{subscribed(id)}
				case "presence":
					return append(append(test.before, listOf(id, test.list...)), test.after...)
				case "ping":
					return []string{fmt.Sprintf(`{"id":%d,"ping":{}}`, id)}
				}
				return nil
			})
			p := loadClient(t, browser, b.url("/healthz"), url)
			p.run(watchMembers)
			p.waitFor(`lists.some(l => l.startsWith("whole"))`)
			if first := p.eval("lists[0]"); !strings.HasPrefix(first, "whole ") {
				t.Errorf("told of %q before there was a list", first)
			}
			p.run(`belfry.call("ping")`) // everything before its answer has come
			if got := strings.TrimPrefix(p.eval("lists.at(-1)"), "whole "); got != test.want {
				t.Errorf("got %q, want %q; all: %s", got, test.want, p.eval("lists.join(' | ')"))
			}
			p.run("belfry.disconnect()")
		})
	}
}

// testMembersOvertaken has a list asked for again before the first has come, and a
// connection that comes back to other members.
func testMembersOvertaken(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	asked, late := 0, 0
	url := script(t, func(number int, method string, id int) []string {
		switch {
		case method == "unsubscribe":
			return []string{fmt.Sprintf(`{"id":%d,"unsubscribe":{}}`, id)}
		case method == "subscribe":
			return []string{subscribed(id)}
		case method == "presence" && number > 1:
			return []string{pushOf("leave", "b", "Bob"), listOf(id, "me=me", "c=Cleo")}
		case method == "presence":
			asked++
			if asked == 1 {
				late = id
				return nil
			}
			return []string{pushOf("join", "b", "Bob"), listOf(late, "me=me", "a=Ada"), listOf(id, "me=new", "b=Bob")}
		}
		return nil
	})
	p := loadClient(t, browser, b.url("/healthz"), url)
	p.run(`belfry.on("subscribed", () => sub.setData({name: "new"})); ` + watchMembers)
	p.waitFor(`lists.some(l => l.startsWith("whole"))`)
	if got, want := p.eval("lists.join(' | ')"), "whole b=Bob me=new"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.run("belfry.reconnect()")
	p.waitFor("lists.length > 1")
	if got, want := p.eval("lists[1]"), "whole c=Cleo me=me"; got != want {
		t.Errorf("after a reconnect: got %q, want %q", got, want)
	}
	p.run("belfry.disconnect()")
}

func testMembersUntold(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	asked := 0
	url := script(t, func(_ int, method string, id int) []string {
		switch {
		case method == "subscribe":
			return []string{subscribed(id)}
		case method == "presence":
			asked++
			if asked == 1 {
				return []string{fmt.Sprintf(`{"id":%d,"error":{"code":100,"message":"the broker is away","temporary":true}}`, id)}
			}
			return []string{fmt.Sprintf(`{"id":%d,"error":{"code":108,"message":"not available"}}`, id)}
		}
		return nil
	})
	p := loadClient(t, browser, b.url("/healthz"), url)
	p.run(watchMembers)
	p.waitFor("lists.length > 0") // the second time it is told for good
	if got, want := p.eval("lists.join(' | ')"), "whole ?"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.run(`sub.presence().then(() => "no error", e => e.code).then(code => { globalThis.code = code })`)
	if got := p.eval("code"); got != "108" {
		t.Errorf("presence() is refused with %s, want 108", got)
	}
	p.run("belfry.disconnect()")
}

// testMembersEvents has members of the real server tell of one another.
func testMembersEvents(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	p := loadClient(t, browser, b.url("/healthz"), b.url(""))
	p.run(`globalThis.events = [];
		const note = kind => m => events.push(kind + " " + m.chan_info?.name + " " + (m.client !== belfry.client));
		new Promise(done => {
			belfry.on("subscribed", done);
			globalThis.sub = belfry.subscribe("chat", () => {}, {data: {name: "me"}, onJoin: note("join"), onLeave: note("leave")});
		})`)
	leave := joinChat(t, b, `{"name":"Ada"}`)
	p.waitFor("events.length === 1")
	p.run(`sub.presence().then(m => { globalThis.here = [...m.values()].map(m => m.chan_info.name).sort().join() + " " + m.has(belfry.client) })`)
	if got, want := p.eval("here"), "Ada,me true"; got != want {
		t.Errorf("presence(): got %q, want %q", got, want)
	}
	leave()
	p.waitFor("events.length === 2")
	if got, want := p.eval("events"), "join Ada true,leave Ada true"; got != want {
		t.Errorf("events: got %q, want %q", got, want)
	}
	// One who listens without wishes gets them with the first who has some.
	p.run(`globalThis.late = [];
		belfry.subscribe("chat-2", () => {});
		new Promise(done => belfry.on("subscribed", done)).then(() => new Promise(told => {
			belfry.subscribe("chat-2", () => {}, {onMembers: (m, whole) => { late.push(m?.size + " " + whole); told() }});
		}))`)
	if got, want := p.eval("late"), "1 true"; got != want {
		t.Errorf("a second subscription: got %q, want %q", got, want)
	}
	p.wantQuiet()
}

// testMembersData changes the data again and again while messages come: every one
// is to be heard, once and in order.
func testMembersData(t *testing.T, browser context.Context) {
	t.Parallel()
	const messages = 300
	rule := hub.Rule{Match: "*", ServerPublish: true, ClientPublish: true, History: hub.History{Size: messages}, Presence: true}
	b := startTowerBy(t, "127.0.0.1:0", hub.Options{Rules: hub.Rules{rule}})
	p := loadClient(t, browser, b.url("/healthz"), b.url(""))
	other := loadClient(t, browser, b.url("/healthz"), b.url(""))
	p.run(watchMembers)
	other.run(watchMembers)
	p.waitFor(`lists.length > 0 && lists.at(-1).split(" ").length >= 2`)
	p.run(`globalThis.renames = 0;
		globalThis.renaming = setInterval(() => sub.setData({name: "me" + ++renames}), 3); undefined`)
	for i := range messages {
		b.publish(t, "chat", fmt.Sprint(i))
		if i%10 == 0 {
			p.waitFor(fmt.Sprintf("renames >= %d", i/10)) // however fast the two are
		}
	}
	p.waitFor(fmt.Sprintf("heard.at(-1) === %d", messages-1))
	p.run("clearInterval(renaming)")
	if p.eval(fmt.Sprintf("heard.length === %d && heard.every((n, i) => n === i)", messages)) != "true" {
		t.Errorf("messages lost, doubled or out of order: %s", p.eval("heard"))
	}
	last := p.eval(`belfry.client + "=me" + renames`)
	other.waitFor(fmt.Sprintf("lists.at(-1).includes(%q)", last))
	p.waitFor(fmt.Sprintf("lists.at(-1).includes(%q)", last))
	if got := p.eval(`states.map(e => e.state)`); got != "connecting,connected" {
		t.Errorf("the connection: %s", got)
	}
	p.wantQuiet()
}

// testMembersDataEarly changes the data before there is a connection, before the
// server has answered, and after the end.
func testMembersDataEarly(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	p := loadClient(t, browser, b.url("/healthz"), b.url(""))
	p.waitFor(`belfry.state === "connected"`)
	p.run(`belfry.disconnect(); ` + watchMembers)
	p.run(`sub.setData({name: "two"}); belfry.connect();
		belfry.on("state", ({state}) => state === "connected" && sub.setData({name: "three"})); undefined`)
	p.waitFor(`lists.at(-1) === "whole " + belfry.client + "=three"`)
	p.run(`sub.setData({name: "three"}); sub.unsubscribe(); sub.setData({name: "four"}); belfry.call("ping")`)
	if got := p.eval("lists.at(-1).includes('three')"); got != "true" {
		t.Errorf("after the end: %s", p.eval("lists"))
	}
	p.wantQuiet()
}

// testMembersDataUnanswered changes the data while the server has not answered the
// subscription: it is asked again once, afterwards, and with the last data.
func testMembersDataUnanswered(t *testing.T, browser context.Context) {
	t.Parallel()
	b := startTower(t, "127.0.0.1:0")
	var first int
	var asked []string
	url := script(t, func(_ int, method string, id int) []string {
		asked = append(asked, method)
		switch {
		case method == "subscribe" && first == 0:
			first = id
			return nil
		case method == "subscribe":
			return []string{fmt.Sprintf(`{"id":%d,"subscribe":{}}`, id), fmt.Sprintf(`{"push":{"channel":"chat","pub":{"data":%q}}}`, strings.Join(asked, " "))}
		case method == "rpc":
			return []string{fmt.Sprintf(`{"id":%d,"rpc":{}}`, id), subscribed(first)}
		}
		return []string{fmt.Sprintf(`{"id":%d,%q:{}}`, id, method)}
	})
	p := loadClient(t, browser, b.url("/healthz"), url)
	p.run(watchMembers)
	p.waitFor(`belfry.state === "connected"`)
	p.run(`sub.setData({name: "two"}); sub.setData({name: "three"}); belfry.call("rpc")`)
	p.waitFor("heard.length > 0")
	if got, want := p.eval("heard"), "subscribe rpc unsubscribe subscribe"; got != want {
		t.Errorf("the server was asked for %q, want %q", got, want)
	}
	p.run("belfry.disconnect()")
}
