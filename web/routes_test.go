package web_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"belfry/web"
)

func TestRoutes(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) { o.CrossDomain = []byte("<cross-domain-policy/>") })
	cases := []struct {
		method, path string
		status       int
		contentType  string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/socketexample", 200, "text/html; charset=utf-8"},
		{"GET", "/belfry.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/belfry.mjs", 200, "text/javascript; charset=utf-8"},
		{"GET", "/static/socketexample.css", 200, "text/css; charset=utf-8"},
		{"GET", "/favicon.ico", 200, "image/svg+xml"},
		{"GET", "/static/nothing.js", 404, "application/json"},
		{"GET", "/static/..%2fpage.go", 404, "application/json"},
		{"GET", "/healthz", 200, "text/plain; charset=utf-8"},
		{"GET", "/readyz", 200, "text/plain; charset=utf-8"},
		{"GET", "/crossdomain.xml", 200, "text/x-cross-domain-policy"},
		{"GET", "/no/such/place", 404, "application/json"},
		{"GET", "/api/publish", 405, "application/json"},
		{"POST", "/socketexample", 405, "application/json"},
		{"GET", "/echo", 426, "application/json"},
	}
	for _, tc := range cases {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(t.Context(), tc.method, s.URL+tc.path, nil)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if got := response.Header.Get("Content-Type"); response.StatusCode != tc.status || got != tc.contentType {
				body, _ := io.ReadAll(response.Body)
				t.Errorf("got %d %s, want %d %s\n%.200s", response.StatusCode, got, tc.status, tc.contentType, body)
			}
		})
	}
	if !strings.Contains(s.log.String(), "path=/no/such/place") {
		t.Error("the path that was not found is not in the log")
	}
}

func TestAssetsAreAskedForAgain(t *testing.T) {
	s := newTestServer(t, nil)
	first, err := http.Get(s.URL + "/belfry.js")
	if err != nil {
		t.Fatal(err)
	}
	first.Body.Close()
	r, _ := http.NewRequest("GET", s.URL+"/belfry.js", nil)
	r.Header.Set("If-None-Match", first.Header.Get("Etag"))
	second, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	second.Body.Close()
	if second.StatusCode != http.StatusNotModified {
		t.Errorf("second time: %d, want 304", second.StatusCode)
	}
}

func TestOrigins(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) {
		o.Origins = []string{"https://example.com", "*.example.org", "https://*.example.net", "plain.example:8080"}
	})
	cases := []struct {
		name, host, origin string
		allowed            bool
	}{
		{"no origin", "hub.test", "", true},
		{"same host", "hub.test", "http://hub.test", true},
		{"same host and port", "hub.test:40132", "http://hub.test:40132", true},
		{"same host in capitals", "hub.test", "http://HUB.test", true},
		{"another port", "hub.test:40132", "http://hub.test:3000", false},
		{"localhost to localhost", "localhost:40132", "http://localhost:3000", true},
		{"localhost to loopback", "127.0.0.1:40132", "http://localhost:3000", true},
		{"localhost to a public host", "hub.test", "http://localhost:3000", false},
		{"exact", "hub.test", "https://example.com", true},
		{"exact, another scheme", "hub.test", "http://example.com", false},
		{"exact, a subdomain", "hub.test", "https://www.example.com", false},
		{"subdomain", "hub.test", "http://a.b.example.org", true},
		{"subdomain with a port", "hub.test", "http://a.example.org:8443", true},
		{"not the domain itself", "hub.test", "https://example.org", false},
		{"a suffix that is no subdomain", "hub.test", "https://badexample.org", false},
		{"subdomain by scheme", "hub.test", "https://a.example.net", true},
		{"subdomain by another scheme", "hub.test", "http://a.example.net", false},
		{"same host without a scheme", "hub.test:40132", "hub.test:40132", true},
		{"another host without a scheme", "hub.test:40132", "evil.test:40132", false},
		{"null", "hub.test", "null", false},
		{"nonsense", "hub.test", "http://[", false},
		{"a user name", "hub.test", "http://example.com@evil.test", false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			header := http.Header{"Host": {tc.host}}
			if tc.origin != "" {
				header.Set("Origin", tc.origin)
			}
			conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+"/ws/chat", header)
			if err != nil {
				t.Fatalf("%v %v: a browser tells its page nothing of that", response, err)
			}
			defer conn.Close()
			if tc.allowed {
				return
			}
			code, reason := (&client{t: t, Conn: conn}).closed()
			if code != 3507 || !strings.Contains(reason, "BELFRY_ORIGINS") || !strings.Contains(reason, tc.origin) {
				t.Errorf("closed with %d %q, want 3507, the key and the origin", code, reason)
			}
		})
	}
	if n := s.hub.NumSubscribers("chat"); n > len(cases)-11 {
		t.Errorf("%d are subscribed", n)
	}
	if got := strings.Count(s.log.String(), "origin not allowed"); got != 11 {
		t.Errorf("%d log lines about origins, want one for each of the 11 refused", got)
	}
}

// Pages from files, and those of sandboxes, have an origin without a host.
func TestEveryOrigin(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) { withLegacy(o); o.Origins = []string{"*"} })
	for _, origin := range []string{"http://example.com", "capacitor://localhost", "file://", "null", "http://["} {
		t.Run(origin, func(t *testing.T) {
			answer, body := s.ask(t, handshake("/echo", "Origin: "+origin))
			if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Websocket-Origin") != origin {
				t.Errorf("got %s for %q, %s", answer.Status, answer.Header.Get("Websocket-Origin"), body)
			}
		})
	}
}

func TestBadHandshakes(t *testing.T) {
	s := newTestServer(t, nil)
	good := func() http.Header {
		return http.Header{
			"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
		}
	}
	cases := []struct {
		name, header, value string
		status              int
	}{
		{"good", "", "", 101},
		{"no upgrade", "Upgrade", "", 426},
		{"no connection", "Connection", "close", 426},
		{"version of the future", "Sec-Websocket-Version", "14", 426},
		{"short key", "Sec-Websocket-Key", "c2hvcnQ=", 101},
		{"no key", "Sec-Websocket-Key", "", 400},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/ws/chat", nil)
			r.Header = good()
			if tc.header != "" {
				r.Header.Set(tc.header, tc.value)
			}
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != tc.status {
				t.Errorf("status %d, want %d", response.StatusCode, tc.status)
			}
			if tc.name == "version of the future" && response.Header.Get("Sec-Websocket-Version") != "13" {
				t.Error("the answer does not say which version is spoken")
			}
		})
	}
}
