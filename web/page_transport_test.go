package web_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"belfry/hub/hubtest"
)

// TestPageTransport uses the menu of transports, on a server that notes what the
// browser asks of it.
func TestPageTransport(t *testing.T) {
	t.Parallel()
	browser := hubtest.Browser(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, context.Context)
	}{
		{"each is used", testTransportEach},
		{"two tabs, two transports", testTransportTabs},
		{"nothing is lost by a change", testTransportChanges},
		{"the choice is remembered", testTransportRemembered},
		{"what is chosen does not get through", testTransportBlocked},
		{"the lab and another host", testTransportElsewhere},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, browser)
		})
	}
}

// menuWords are the transports as the page calls them.
var menuWords = map[string]string{"websocket": "WebSocket", "events": "event stream", "stream": "HTTP stream", "poll": "long-poll"}

// watchedSite is Belfry behind a proxy that notes which transports sockets use.
type watchedSite struct {
	*polyfillSite

	mu   sync.Mutex      // guards used
	used map[string]bool // "transport path"
}

func newWatchedSite(t *testing.T) *watchedSite {
	t.Helper()
	w := &watchedSite{polyfillSite: &polyfillSite{tower: startTower(t, "127.0.0.1:0")}, used: map[string]bool{}}
	proxy := w.proxy(w.tower.addr)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.note(r)
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	w.url = server.URL
	return w
}

// note notes a request that carries messages down.
func (w *watchedSite) note(r *http.Request) {
	transport := r.URL.Query().Get("via")
	if r.Header.Get("Upgrade") != "" {
		transport = "websocket"
	}
	if _, carriesDown := menuWords[transport]; carriesDown {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.used[transport+" "+r.URL.Path] = true
	}
}

// take returns what was used since the call before, sorted.
func (w *watchedSite) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	used := slices.Sorted(maps.Keys(w.used))
	clear(w.used)
	return used
}

// waitForActive waits until so many requests of sessions over HTTP are under way.
func (w *watchedSite) waitForActive(t *testing.T, want int64) {
	t.Helper()
	for deadline := time.Now().Add(pageWait); w.active.Load() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests of sessions are under way, want %d", w.active.Load(), want)
		}
	}
}

// openWatched opens the page, has it use a transport, and waits for that.
func (w *watchedSite) openWatched(t *testing.T, browser context.Context, transport string) *tab {
	t.Helper()
	p := openTab(t, browser, w.url+"/socketexample")
	p.waitForUse("websocket")
	p.choose(transport)
	p.waitForUse(transport)
	return p
}

// choose takes an entry of the menu.
func (p *tab) choose(transport string) {
	p.Helper()
	p.run(fmt.Sprintf(`(menu => {
		menu.value = %q;
		menu.dispatchEvent(new Event("change", { bubbles: true }));
	})(document.getElementById("transport"))`, transport))
}

// waitForUse waits until the page says that it is live over a transport, and how
// long a round trip takes.
func (p *tab) waitForUse(transport string) {
	p.Helper()
	p.waitFor(fmt.Sprintf(`document.getElementById("state")?.textContent === "Live" &&
		/^In use: %s, round trip [\d.]+ m?s$/.test(document.getElementById("transport-use")?.textContent)`, menuWords[transport]))
}

func testTransportEach(t *testing.T, browser context.Context) {
	w := newWatchedSite(t)
	p := w.openWatched(t, browser, "websocket")
	p.click("#echo-open")
	p.waitForText("#echo-log", "connected, over WebSocket")
	for _, step := range []struct{ choice, uses string }{
		{"events", "events"}, {"stream", "stream"}, {"poll", "poll"}, {"websocket", "websocket"}, {"poll", "poll"}, {"", "websocket"},
	} {
		w.take()
		p.run(`document.getElementById("echo-log").replaceChildren()`)
		p.choose(step.choice)
		p.waitForUse(step.uses)
		p.waitForText("#echo-log", "connected, over "+menuWords[step.uses])
		used := w.take()
		for _, path := range []string{"/connection/websocket", "/echo"} {
			if want := step.uses + " " + path; !slices.Contains(used, want) {
				t.Errorf("%q: the server saw %q, want %q among them", step.choice, used, want)
			}
		}
		if step.uses == "websocket" {
			w.waitForActive(t, 0)
		} else {
			w.waitForActive(t, 2) // of the six that a browser makes to a host
		}
		w.take()
		text := "hello over " + step.choice
		p.say("Ada", text)
		p.waitForText("#chat-log .said .text", text)
		p.fill("#echo-text", text+"\r")
		p.waitForText("#echo-log .echo .text", text)
		for _, seen := range w.take() {
			if !strings.HasPrefix(seen, step.uses+" ") {
				t.Errorf("%q: the server still sees %q", step.choice, seen)
			}
		}
	}
	if notes := p.eval(`[...document.querySelectorAll("#chat-log .note")].map(e => e.textContent).join("\n")`); notes != "" {
		t.Errorf("the chat, of which nothing was missed, says:\n%s", notes)
	}
	p.wantQuiet()
}

func testTransportTabs(t *testing.T, browser context.Context) {
	w := newWatchedSite(t)
	ada, bob := w.openWatched(t, browser, "stream"), w.openWatched(t, browser, "poll")
	ada.say("Ada", "does the stream reach you?")
	bob.waitForText("#chat-log .said", "does the stream reach you?")
	bob.say("Bob", "polled it")
	for _, p := range []*tab{ada, bob} {
		p.waitForText("#chat-log .said", "polled it")
		p.waitForText("#chat-present", "2 present")
		p.wantQuiet()
	}
}

// testTransportChanges goes round all transports while a backend speaks.
func testTransportChanges(t *testing.T, browser context.Context) {
	w := newWatchedSite(t)
	p := w.openWatched(t, browser, "websocket")
	p.waitForText("#chat-present", "1 present")
	said := 0
	speak := func() {
		for range 15 {
			said++
			w.tower.publish(t, "chat", fmt.Sprintf(`"%d"`, said))
		}
	}
	for _, transport := range []string{"events", "poll", "stream", "websocket", "poll"} {
		speak()
		p.choose(transport)
		speak()
		p.waitForUse(transport)
	}
	const texts = `[...document.querySelectorAll("#chat-log .said .text")].map(e => Number(e.textContent))`
	p.waitFor(fmt.Sprintf("%s.at(-1) === %d", texts, said))
	if p.eval(fmt.Sprintf("(all => all.length === %d && all.every((n, i) => n === i + 1))(%s)", said, texts)) != "true" {
		t.Errorf("messages lost, doubled or out of order: %s", p.eval(texts))
	}
}

// testTransportRemembered reloads the page with what the tab has stored.
func testTransportRemembered(t *testing.T, browser context.Context) {
	w := newWatchedSite(t)
	p := w.openWatched(t, browser, "poll")
	for _, test := range []struct{ stored, choice, uses string }{
		{"poll", "poll", "poll"},
		{"carrier pigeon", "", "websocket"},
		{"", "", "websocket"},
		{"events", "events", "events"},
	} {
		if test.stored != "poll" { // that is what the page itself has stored
			p.run(fmt.Sprintf(`sessionStorage.setItem("belfry.transport", %q)`, test.stored))
		}
		p.do("reload", chromedp.Reload())
		p.waitForUse(test.uses)
		if got := p.eval("document.getElementById('transport').value"); got != test.choice {
			t.Errorf("%q is stored: the menu has %q, want %q", test.stored, got, test.choice)
		}
	}
	p.wantQuiet()
}

// testTransportBlocked refuses upgrades: WebSocket by choice says so and stays
// down, automatic finds its way.
func testTransportBlocked(t *testing.T, browser context.Context) {
	w := newWatchedSite(t)
	p := w.openWatched(t, browser, "stream")
	w.refuses.Store(true)
	p.choose("websocket")
	p.waitFor(`document.getElementById("bar").dataset.state === "lost" && document.getElementById("transport-use").textContent === "In use: not connected"`)
	p.choose("")
	p.waitForUse("events")
}

// testTransportElsewhere has the echo lab go to another host, over HTTP.
func testTransportElsewhere(t *testing.T, browser context.Context) {
	p := newWatchedSite(t).openWatched(t, browser, "poll")
	p.fill("#echo-url", "ws://"+startTower(t, "127.0.0.1:0").addr+"/echo\r")
	p.waitForText("#echo-log", "connected, over long-poll")
	p.fill("#echo-text", "anybody abroad?\r")
	p.waitForText("#echo-log .echo .text", "anybody abroad?")
	p.wantQuiet()
}
