package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"belfry/hub/hubtest"
)

// polyfillSite is a site of pages with websocket.js, and a proxy in front of
// Belfry on the same origin.
type polyfillSite struct {
	tower *tower
	url   string

	refuses  atomic.Bool  // upgrades
	stalls   atomic.Bool  // upgrades, that is: answers none
	buffers  atomic.Bool  // responses, until they end
	loses    atomic.Bool  // sessions: none is known any more
	gated    atomic.Bool  // only requests with a cookie get through
	upgrades atomic.Int64 // that were asked for
	vias     atomic.Int64 // requests of sessions over HTTP
	streams  atomic.Int64 // those of them that go on and on
	active   atomic.Int64 // those of them that are under way
	exposed  atomic.Int64 // those of them that had a name in the URL and could have had a header
	cut      *hubtest.Proxy
}

// newDirectSite starts a site whose pages speak with Belfry itself: a proxy that
// loses what was on its way when one side closes would make a difference.
func newDirectSite(t *testing.T) *polyfillSite {
	t.Helper()
	s := &polyfillSite{tower: startTower(t, "127.0.0.1:0")}
	server := httptest.NewServer(directPages(s.tower))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	s.url = server.URL
	return s
}

func directPages(b *tower) http.Handler {
	h := http.NewServeMux()
	h.Handle("/polyfill/", polyfillPages())
	h.Handle("/", b.handler)
	return h
}

// newPolyfillSite starts a site that lets everything through.
func newPolyfillSite(t *testing.T) *polyfillSite {
	t.Helper()
	s := &polyfillSite{tower: startTower(t, "127.0.0.1:0")}
	pages := http.NewServeMux()
	pages.Handle("/polyfill/", polyfillPages())
	pages.Handle("/npm/", http.StripPrefix("/npm/", http.FileServer(http.Dir("testdata/npm"))))
	pages.Handle("/", s.proxy(s.tower.addr))
	server := httptest.NewServer(pages)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	t.Cleanup(func() {
		if n := s.exposed.Load(); n > 0 {
			t.Errorf("%d requests had the name of their session in the URL", n)
		}
	})
	s.cut = hubtest.NewProxy(t, server.Listener.Addr().String())
	s.url = "http://" + s.cut.Addr()
	return s
}

func polyfillPages() http.Handler {
	return http.StripPrefix("/polyfill/", http.FileServer(http.Dir("testdata/polyfill")))
}

// proxy passes requests on as the site's switches say.
func (s *polyfillSite) proxy(target string) http.Handler {
	proxy := hubtest.WholeBodies(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: target})
			r.Out.Host = r.In.Host
		},
		FlushInterval:  -1,
		ModifyResponse: s.modify,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.gated.Load() && !strings.HasSuffix(r.URL.Path, ".js") && !strings.Contains(r.Header.Get("Cookie"), "gate=open") {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		if r.Header.Get("Upgrade") != "" {
			s.upgrades.Add(1)
			if s.refuses.Load() {
				http.Error(w, "no upgrades here", http.StatusForbidden)
				return
			}
			if s.stalls.Load() {
				<-r.Context().Done()
				return
			}
		}
		inURL := r.URL.Query().Has("session")
		if inURL && r.Method == http.MethodPost && r.Header.Get("Sec-Fetch-Mode") != "no-cors" { // a beacon has no headers
			s.exposed.Add(1)
		}
		if s.loses.Load() && (inURL || r.URL.Query().Has("head") || r.Header.Get("Belfry-Session") != "") {
			http.Error(w, `{"error":{"code":104,"message":"no such session"}}`, http.StatusNotFound)
			return
		}
		if via := r.URL.Query().Get("via"); via != "" {
			s.vias.Add(1)
			if via == "events" || via == "stream" {
				s.streams.Add(1)
			}
			s.active.Add(1)
			defer s.active.Add(-1)
		}
		proxy.ServeHTTP(w, r)
	})
}

// modify holds a response back until all of it is there.
func (s *polyfillSite) modify(r *http.Response) error {
	if !s.buffers.Load() || r.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	return err
}

// cutEvery cuts all connections again and again until the test ends or the
// returned function is called, which returns how many connections were cut.
func (s *polyfillSite) cutEvery(t *testing.T, pause time.Duration) (stop func() int) {
	t.Helper()
	done, over := make(chan struct{}), make(chan int)
	go func() { // ends with stop
		n := 0
		for tick := time.Tick(pause); ; {
			select {
			case <-tick:
				n += s.cut.Cut()
			case <-done:
				over <- n
				return
			}
		}
	}()
	stopped := false
	stop = func() int {
		if stopped {
			return 0
		}
		stopped = true
		close(done)
		return <-over
	}
	t.Cleanup(func() { stop() })
	return stop
}

// open opens the site's page; the query says what it is like, see setup.js.
func (s *polyfillSite) open(t *testing.T, browser context.Context, query string) *tab {
	t.Helper()
	p := openTab(t, browser, s.url+"/polyfill/page.html?"+query)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("websocket.js said:\n%s", p.eval("logged.join('\\n')"))
		}
	})
	return p
}

// navigateAway leaves a page for one that is not of the site.
var navigateAway = []chromedp.Action[chromedp.Void]{chromedp.Navigate("about:blank")}

// evalAsync returns what the promise of an expression resolves with, as a string.
func (p *tab) evalAsync(expression string) string {
	p.Helper()
	p.run(fmt.Sprintf("(async () => { globalThis.result = await (%s) })()", expression))
	return p.eval("result")
}
