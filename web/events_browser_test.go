package web_test

import (
	"fmt"
	"testing"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// TestEventSource has a real EventSource listen to channels while its
// connections are cut: it comes back by itself, with nothing lost or doubled. Then
// the history is removed while it is away, and it hears of the gap.
func TestEventSource(t *testing.T) {
	t.Parallel()
	browser := hubtest.Browser(t)
	rules := hub.Rules{{Match: "date"}, {Match: "*", ServerPublish: true, History: hub.History{Size: 1000}}}
	b := startTowerBy(t, "127.0.0.1:0", hub.Options{Rules: rules})
	proxy := hubtest.NewProxy(t, b.addr)
	p := openTab(t, browser, "http://"+proxy.Addr()+"/")
	p.run(`globalThis.heard = {a: [], b: [], c: []}; globalThis.opens = 0; globalThis.gaps = [];
		globalThis.source = new EventSource("/events?channel=a&channel=b&channel=c");
		source.onopen = () => opens++;
		source.onmessage = e => { const m = JSON.parse(e.data); heard[m.channel].push(m.data) };
		source.addEventListener("belfry.gap", e => gaps.push(...JSON.parse(e.data).channels))`)
	p.waitFor("opens == 1")
	// Cut before the first message: what comes meanwhile is not lost either.
	n := 0
	for cut := range 3 {
		proxy.Refuse(true)
		proxy.Cut()
		for range 20 {
			b.publish(t, "a", fmt.Sprint(n))
			b.publish(t, "b", fmt.Sprint(n))
			n++
		}
		proxy.Refuse(false)
		p.waitFor(fmt.Sprintf("opens == %d", cut+2))
		b.publish(t, "a", fmt.Sprint(n))
		b.publish(t, "b", fmt.Sprint(n))
		n++
	}
	p.waitFor(fmt.Sprintf("heard.a.length >= %d && heard.b.length >= %d", n, n))
	if got := p.eval(fmt.Sprintf("[heard.a, heard.b].every(h => h.length == %d && h.every((x, i) => x === i)) + ' ' + gaps", n)); got != "true " {
		t.Errorf("%s: a %s, b %s", got, p.eval("heard.a"), p.eval("heard.b"))
	}

	proxy.Refuse(true)
	proxy.Cut()
	b.publish(t, "c", `"gone"`)
	b.call(t, "/api/history_remove", `{"channel":"c"}`)
	proxy.Refuse(false)
	p.waitFor("gaps.length > 0")
	b.publish(t, "c", `"after"`)
	p.waitFor("heard.c.at(-1) == 'after'")
	if got := p.eval("gaps + ' ' + heard.c.includes('gone')"); got != "c false" {
		t.Errorf("gaps and what was lost: %s", got)
	}

	// The server goes down politely and comes back at its address.
	opens := p.eval("opens")
	b.stop()
	startTowerBy(t, b.addr, hub.Options{Rules: rules})
	p.waitFor("opens > " + opens)
	if got := p.eval("source.readyState"); got != "1" {
		t.Errorf("readyState %s", got)
	}
}
