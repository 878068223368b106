package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// behindPath is a proxy that has put a server behind a path, and nothing at its root.
func behindPath(t *testing.T, b *tower) string {
	t.Helper()
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: b.addr})
		r.Out.Host = r.In.Host
	}}
	mux := http.NewServeMux()
	mux.Handle("/live/", http.StripPrefix("/live", proxy))
	site := httptest.NewServer(mux)
	t.Cleanup(func() { site.CloseClientConnections(); site.Close() })
	return site.URL + "/live/"
}

// testPageBehindPath opens both pages through a proxy that has put them behind a path,
// and goes from one to the other.
func testPageBehindPath(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	home := behindPath(t, b)
	p := openTab(t, browser, home)
	p.waitFor(`/GMT/.test(document.getElementById("date").textContent)`)
	for id, want := range map[string]string{"curl": "curl " + home + "api/publish", "raw": strings.Replace(home, "http", "ws", 1) + "ws/chat", "subscribe-code": home + "belfry.js"} {
		if got := p.eval(`document.getElementById("` + id + `").textContent`); !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q in it", id, got, want)
		}
	}
	const links = `Promise.all([...document.querySelectorAll("[href], [src]")].map(e => e.href || e.src).filter(url => url.startsWith("http"))
		.map(url => url.startsWith(location.origin + "/live/") ? fetch(url).then(r => r.ok || r.status === 503 ? "" : url + " " + r.status) : url)).then(all => all.filter(Boolean).join())`
	if broken := p.evalAsync(links); broken != "" {
		t.Errorf("the first page links %s", broken)
	}
	p.do("go through the door", chromedp.Navigate(p.eval(`document.querySelector("a.door").href`)))
	p.waitFor(`location.pathname === "/live/socketexample"`)
	p.waitFor(`document.getElementById("echo-url")?.value === "` + strings.Replace(home, "http", "ws", 1) + `echo"`)
	p.waitFor(`/[0-9]:[0-9]/.test(document.body.innerText) && !document.getElementById("chat-empty").textContent.includes("onnect")`)
	if broken := p.evalAsync(links); broken != "" {
		t.Errorf("the page links %s", broken)
	}
	p.wantQuiet()
}
