package web_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"belfry/hub/hubtest"
)

// transports are those of websocket.js that are not WebSocket.
var transports = []string{"events", "stream", "poll"}

// TestPolyfillFallback puts websocket.js behind all that keeps a WebSocket from
// being opened, or a stream from being heard.
func TestPolyfillFallback(t *testing.T) {
	t.Parallel()
	browser := hubtest.Browser(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, context.Context)
	}{
		{"WebSocket works", testPolyfillNative},
		{"there is no WebSocket", testPolyfillMissing},
		{"HTTP/2", testPolyfillHTTP2},
		{"a server of another origin", testPolyfillElsewhere},
		{"a server that lets in no page of this origin", testPolyfillForeign},
		{"upgrades are refused", testPolyfillRefused},
		{"upgrades are not answered", testPolyfillStalled},
		{"responses are buffered", testPolyfillBuffered},
		{"a connection that was open is cut", testPolyfillCutNative},
		{"more sockets than connections", testPolyfillCrowd},
		{"more quiet polls than connections", testPolyfillQuietCrowd},
		{"more tabs than connections", testPolyfillTabs},
		{"nothing gets through for a while", testPolyfillOutage},
		{"the session is lost", testPolyfillLost},
		{"the server goes down", testPolyfillShutdown},
		{"the page goes", testPolyfillLeave},
		{"nothing is left over", testPolyfillLeftovers},
		{"the option is wrong", testPolyfillOption},
		{"the script is loaded twice", testPolyfillTwice},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, browser)
		})
	}
}

// echoed opens a socket named here, has something echoed, and returns how many
// milliseconds that took from the constructor on.
const echoed = `(async () => {
	const began = performance.now();
	globalThis.socket = await opened();
	socket.send(">first");
	await until(() => socket.heard.includes(">first"));
	return Math.round(performance.now() - began);
})()`

// wantTransport waits until the page's socket uses a transport.
func (p *tab) wantTransport(want string) {
	p.Helper()
	p.waitFor(fmt.Sprintf("socket.transport === %q", want))
}

func testPolyfillNative(t *testing.T, browser context.Context) {
	s := newPolyfillSite(t)
	p := s.open(t, browser, "")
	p.evalAsync(echoed)
	p.wantTransport("websocket")
	if got := p.eval("WebSocket.native !== WebSocket && /native code/.test(WebSocket.native)"); got != "true" {
		t.Error("WebSocket.native is not the browser's own")
	}
	if n := s.vias.Load(); n > 0 {
		t.Errorf("%d requests over HTTP, though WebSocket works", n)
	}
	p.wantQuiet()
}

func testPolyfillMissing(t *testing.T, browser context.Context) {
	s := newPolyfillSite(t)
	p := s.open(t, browser, "without")
	t.Logf("first message after %s ms", p.evalAsync(echoed))
	p.wantTransport("events")
	p.waitFor("socket.roundTrip > 0")
	if got := p.eval("WebSocket.native"); got != "null" {
		t.Errorf("WebSocket.native is %s, want null", got)
	}
	if n := s.upgrades.Load(); n > 0 {
		t.Errorf("%d upgrades were asked for", n)
	}
	p.wantQuiet()
}

func testPolyfillRefused(t *testing.T, browser context.Context) {
	s := newPolyfillSite(t)
	s.refuses.Store(true)
	p := s.open(t, browser, "")
	hubtest.Tell(fmt.Sprintf("belfry: from a refused WebSocket to the first message: %s ms\n", p.evalAsync(echoed)))
	p.wantTransport("events")
	p.evalAsync(echoed)
	if n := s.upgrades.Load(); n != 1 {
		t.Errorf("%d upgrades were asked for by two sockets, want 1: the choice is remembered", n)
	}
	s.refuses.Store(false)
	other := s.open(t, browser, "")
	other.evalAsync(echoed)
	other.wantTransport("websocket")
}

// testPolyfillElsewhere speaks with a server of another origin, behind a proxy that wants
// a cookie of everybody, also of a browser that only asks whether a page may do
// something. So does an EventSource of the page.
func testPolyfillElsewhere(t *testing.T, browser context.Context) {
	s, elsewhere := newPolyfillSite(t), newPolyfillSite(t)
	elsewhere.gated.Store(true)
	for _, transport := range append(transports, "websocket") {
		p := s.open(t, browser, "force="+transport)
		p.run(`document.cookie = "gate=open; path=/"; undefined`) // whatever the port
		p.evalAsync(fmt.Sprintf(`(async () => {
			globalThis.socket = new WebSocket("ws" + %q + "/echo");
			globalThis.said = follow(socket);
			await next(socket, "open");
			for (let i = 0; i < 3; i++) socket.send(">" + i);
			await until(() => [0, 1, 2].every(i => said.includes("message >" + i)));
		})()`, strings.TrimPrefix(elsewhere.url, "http")))
		p.wantTransport(transport)
		p.evalAsync(fmt.Sprintf(`next(new EventSource(%q, { withCredentials: true }), "message")`, elsewhere.url+"/events?channel=date"))
	}
	p := s.open(t, browser, "force=true")
	if got := p.evalAsync(fmt.Sprintf(`(async () => {
		const socket = new WebSocket("ws" + %q + "/echo"), said = follow(socket);
		await next(socket, "close");
		return said.join();
	})()`, strings.TrimPrefix(elsewhere.url, "http"))); got != "error,close 1006  false" {
		t.Errorf("without the cookie: %s", got)
	}
}

// testPolyfillForeign is of a page that may not, by WebSocket and by HTTP. The page
// learns why by the first, and its reader by the console. The origin of the page is
// null, which is nobody's.
func testPolyfillForeign(t *testing.T, browser context.Context) {
	s := newPolyfillSite(t)
	for _, force := range []string{"false", "true"} {
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Security-Policy", "sandbox allow-scripts") // it has no origin
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<link rel="icon" href="data:,"><script>WEBSOCKET_FORCE_FALLBACK = %s; warned = []; console.warn = text => warned.push(text)</script>
				<script src="%s/websocket.js"></script><script src="%s/belfry.js"></script>`, force, s.url, s.url)
		}))
		t.Cleanup(page.Close)
		p := openTab(t, browser, page.URL)
		p.run(fmt.Sprintf(`globalThis.states = []; globalThis.belfry = new Belfry(%q); belfry.on("state", e => states.push(e)); undefined`, s.url))
		p.waitFor(`states.some(e => e.state === "disconnected")`)
		got := p.eval(`(e => e.code + " " + e.reason + " " + e.retryIn)(states.find(e => e.state === "disconnected"))`)
		if want := "3507 origins (BELFRY_ORIGINS) does not let in pages of null null"; force == "false" && got != want {
			t.Errorf("the page hears %q, want %q", got, want)
		}
		if force == "false" {
			continue
		}
		p.waitFor(`states.filter(e => e.state === "disconnected").length > 1`) // it tries again
		p.run("belfry.disconnect()")
		if warned := p.eval("warned.join('\\n')"); strings.Count(warned, "\n") > 0 || !strings.Contains(warned, "BELFRY_ORIGINS") {
			t.Errorf("the console has %q, want one line that names the key", warned)
		}
	}
}

// testPolyfillHTTP2 speaks with Belfry itself, over TLS, where no connection can
// be taken over.
func testPolyfillHTTP2(t *testing.T, browser context.Context) {
	server := httptest.NewUnstartedServer(directPages(startTower(t, "127.0.0.1:0")))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	for _, transport := range transports {
		p := openTab(t, browser, "about:blank")
		_, err := chromedp.Call(p.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true})
		if err != nil {
			t.Fatal(err)
		}
		p.do("open", chromedp.Navigate(server.URL+"/polyfill/page.html?force="+transport))
		p.evalAsync(echoed)
		p.wantTransport(transport)
		if got := p.eval(`performance.getEntriesByType("resource").filter(e => e.name.includes("via=send")).every(e => e.nextHopProtocol === "h2")`); got != "true" {
			t.Errorf("%s: not over HTTP/2", transport)
		}
		p.run(`socket.close(4000, "bye"); next(socket, "close").then(event => { globalThis.how = closing(event) })`)
		if got, want := p.eval("how"), "4000 bye true"; got != want {
			t.Errorf("%s: closed with %q, want %q", transport, got, want)
		}
	}
}

func testPolyfillStalled(t *testing.T, browser context.Context) {
	s := newPolyfillSite(t)
	s.stalls.Store(true)
	s.tower.tested.Store("NATIVE_WAIT")
	p := s.open(t, browser, "")
	t.Logf("first message after %s ms", p.evalAsync(echoed))
	p.wantTransport("events")
}

// testPolyfillBuffered wants streams that are silent to be given up, and not to
// be tried again by the page or by the one after it.
func testPolyfillBuffered(t *testing.T, browser context.Context) {
	s := newPolyfillSite(t)
	s.refuses.Store(true)
	s.buffers.Store(true)
	s.tower.tested.Store("OPEN_WAIT TRIAL_MIN TRIAL_MAX")
	p := s.open(t, browser, "")
	t.Logf("first message after %s ms", p.evalAsync(echoed))
	p.waitFor(`logged.some(line => line.startsWith("websocket.js: stream ended"))`)
	p.waitFor(`JSON.parse(sessionStorage["websocket.js"])[location.host].transport === "poll"`)
	for _, when := range []string{"a second socket", "the next page"} {
		if when == "the next page" {
			p.do("reload", chromedp.Reload())
		}
		tried := s.streams.Load()
		p.evalAsync(echoed)
		p.wantTransport("poll")
		if n := s.streams.Load() - tried; n > 0 {
			t.Errorf("%s tried %d streams", when, n)
		}
	}
	if n := s.upgrades.Load(); n != 1 {
		t.Errorf("%d upgrades were asked for, want 1", n)
	}
}

// testPolyfillCutNative wants a WebSocket that was open to end as it does
// without websocket.js.
func testPolyfillCutNative(t *testing.T, browser context.Context) {
	s := newPolyfillSite(t)
	p := s.open(t, browser, "")
	p.evalAsync(echoed)
	p.run("globalThis.list = follow(socket)")
	s.cut.Cut()
	p.waitFor(`list.at(-1) === "close 1006  false"`)
	p.evalAsync(echoed)
	p.wantTransport("websocket")
}

// testPolyfillCrowd has a page with more sockets than a browser opens connections
// to a host: each of them speaks and hears.
func testPolyfillCrowd(t *testing.T, browser context.Context) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			p := newDirectSite(t).open(t, browser, "force="+transport)
			p.evalAsync(`Promise.all(Array.from({ length: 9 }, () => opened())).then(all => { globalThis.crowd = all })`)
			for _, said := range []string{">one", ">two"} {
				p.run(fmt.Sprintf("crowd.forEach(socket => socket.send(%q))", said))
				p.waitFor(fmt.Sprintf("crowd.every(socket => socket.heard.at(-1) === %q)", said))
			}
			p.evalAsync(`Promise.all(crowd.map(socket => { socket.close(4000); return next(socket, "close").then(closing) })).then(all => { globalThis.ends = [...new Set(all)].join() })`)
			if got, want := p.eval("ends"), "4000  true"; got != want {
				t.Errorf("closed with %q, want %q", got, want)
			}
		})
	}
}

// testPolyfillQuietCrowd has sockets poll on which nobody speaks, so that no answer
// makes room for the others: each hears what is said to it all the same.
func testPolyfillQuietCrowd(t *testing.T, browser context.Context) {
	s := newDirectSite(t)
	p := s.open(t, browser, "force=poll")
	p.evalAsync(`Promise.all(Array.from({ length: 12 }, (_, i) => opened("/ws/chat-" + i))).then(all => { globalThis.crowd = all })`)
	for _, said := range []string{">1", ">2", ">3"} { // who is answered has to queue up again
		s.tower.publish(t, "chat-11", strconv.Quote(said))
		p.waitFor(fmt.Sprintf("crowd.at(-1).heard.at(-1) === %q", said))
	}
}

// testPolyfillTabs opens more tabs than the browser opens connections to a host,
// for all of them together.
func testPolyfillTabs(t *testing.T, browser context.Context) {
	for _, transport := range []string{"events", "stream"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := newDirectSite(t)
			first := s.open(t, browser, "force="+transport)
			tabs := []*tab{first}
			for range 3 {
				tabs = append(tabs, openTabBeside(t, first.ctx, s.url+"/polyfill/page.html?force="+transport))
			}
			for _, p := range tabs {
				p.evalAsync(`Promise.all([1, 2].map(() => opened())).then(all => { globalThis.crowd = all })`)
			}
			for _, p := range tabs {
				p.run(`crowd.forEach(socket => socket.send(">one"))`)
				p.waitFor(`crowd.every(socket => socket.heard.at(-1) === ">one")`)
			}
		})
	}
}

// testPolyfillOutage wants no transport to be blamed for what befalls them all.
func testPolyfillOutage(t *testing.T, browser context.Context) {
	s := newPolyfillSite(t)
	p := s.open(t, browser, "without")
	p.evalAsync(echoed)
	s.cut.Refuse(true)
	s.cut.Cut()
	p.waitFor(`logged.filter(line => line.includes("ended with status 0")).length > 5`)
	s.cut.Refuse(false)
	p.run(`socket.send(">again")`)
	p.waitFor(`socket.heard.includes(">again")`)
	p.wantTransport("events")
}

func testPolyfillLost(t *testing.T, browser context.Context) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := newPolyfillSite(t)
			p := s.open(t, browser, "force="+transport)
			p.evalAsync(echoed)
			p.run("globalThis.list = follow(socket)")
			s.loses.Store(true)
			s.cut.Cut()
			p.waitFor(`list.at(-1)?.startsWith("close")`)
			if got, want := p.eval(`list.filter(line => !line.startsWith("message")) + socket.readyState`), "error,close 1006  false3"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func testPolyfillShutdown(t *testing.T, browser context.Context) {
	for _, transport := range append([]string{"websocket"}, transports...) {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := newPolyfillSite(t)
			p := s.open(t, browser, "force="+transport)
			p.evalAsync(echoed)
			p.run("globalThis.list = follow(socket)")
			s.waitCarried(t, transport)
			s.tower.stop()
			p.waitFor(`list.at(-1)?.startsWith("close")`)
			got := p.eval(`list.filter(line => !line.startsWith("message"))`)
			if want := "close 1001 server is going down, come back true"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// waitCarried waits until a request waits for what the server says: between two polls
// the page of a busy machine may be away for longer than a server that goes down waits.
func (s *polyfillSite) waitCarried(t *testing.T, transport string) {
	t.Helper()
	if transport == "websocket" {
		return
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		n := s.vias.Load()
		time.Sleep(50 * time.Millisecond)
		arrived := transport != "poll" || s.tower.polls.Load() > 0
		return arrived && s.active.Load() > 0 && s.vias.Load() == n
	}, "a request waits")
}

// testPolyfillLeave wants the server to hear at once that a page has gone.
func testPolyfillLeave(t *testing.T, browser context.Context) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := newPolyfillSite(t)
			stays, goes := s.open(t, browser, "native"), s.open(t, browser, "force="+transport)
			stays.run("opened().then(socket => { globalThis.list = follow(socket) })")
			goes.evalAsync(echoed)
			goes.do("leave", navigateAway...)
			stays.waitFor(`list.some(line => /^message guest-\w+ left$/.test(line))`)
		})
	}
}

// testPolyfillLeftovers wants sockets that are closed to leave no requests
// behind.
func testPolyfillLeftovers(t *testing.T, browser context.Context) {
	s := newPolyfillSite(t)
	p := s.open(t, browser, "without")
	for range 3 {
		p.evalAsync(echoed)
		p.run(`socket.close(); next(socket, "close")`)
	}
	s.buffers.Store(true) // so that only the page can end its request
	p.run(`globalThis.socket = new WebSocket(at(ECHO)); undefined`)
	hubtest.Eventually(t, pageWait, func() bool { return s.active.Load() > 0 }, "a request is under way")
	p.run(`socket.close(); next(socket, "close")`)
	hubtest.Eventually(t, pageWait, func() bool { return s.active.Load() == 0 }, "no request is under way")
	p.wantQuiet()
}

func testPolyfillOption(t *testing.T, browser context.Context) {
	p := newPolyfillSite(t).open(t, browser, "force=pigeon")
	p.evalAsync(echoed)
	p.wantTransport("events")
	said := strings.Join(p.said(), "\n")
	if !strings.Contains(said, "pigeon is not here; want true, websocket, events, stream, poll") {
		t.Errorf("the console says %q, want what is accepted", said)
	}
}

func testPolyfillTwice(t *testing.T, browser context.Context) {
	p := newPolyfillSite(t).open(t, browser, "")
	p.run(`globalThis.first = WebSocket; new Promise((loaded, failed) => document.head.append(Object.assign(
		document.createElement("script"), { src: "/websocket.js", onload: loaded, onerror: failed })))`)
	if got := p.eval("first === WebSocket"); got != "true" {
		t.Error("the second copy has replaced the first")
	}
}
