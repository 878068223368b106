package web_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

// openPaths carry no state and change nothing: any page may ask for them.
var openPaths = []string{
	"/", "/socketexample", "/belfry.js", "/belfry.mjs", "/websocket.js", "/favicon.ico", "/static/{file}", "/static/tokens.js",
	"/healthz", "/readyz", "/crossdomain.xml", "/api/openapi.yaml",
}

// paths returns the paths of the table of routes, with a channel or a file in place
// of a parameter.
func paths(t *testing.T, which func(route string) bool) (paths []string) {
	t.Helper()
	fill := strings.NewReplacer("*", "chat", "{file}", "base.css")
	err := chi.Walk(web.Routes(web.New(web.Options{Hub: hub.New(hub.Options{})})), func(_, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if path := fill.Replace(route); which(route) && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil || len(paths) < len(openPaths) {
		t.Fatalf("%d paths, %v", len(paths), err)
	}
	return paths
}

// carries reports whether a route carries state, or changes something.
func carries(route string) bool { return !slices.Contains(openPaths, route) }

// everyWord is what the routes between them take from a query, with commands that
// publish wherever there is room for some.
var everyWord = url.Values{
	"cf_connect": {connect + "\n" + `{"id":2,"publish":{"channel":"chat","data":"by another site"}}`},
	"channel":    {"chat"}, "session": {"N.S"}, "got": {"0"}, "first": {"1"}, "pad": {"1"},
}

// foreign are requests that pages of other sites can have a browser make, each with
// what the browser says of them. One from before Fetch Metadata says less.
var foreign = []struct {
	name, method string
	header       []string
}{
	{"an image", "GET", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}},
	{"a link", "GET", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}},
	{"an image of a neighbour", "GET", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}},
	{"a form", "POST", []string{"Sec-Fetch-Site: cross-site", "Origin: http://evil.example", "Content-Type: text/plain"}},
	{"a form in a sandbox", "POST", []string{"Sec-Fetch-Site: cross-site", "Origin: null", "Content-Type: text/plain"}},
	{"a form without an origin", "POST", []string{"Sec-Fetch-Site: cross-site", "Content-Type: text/plain"}},
	{"a form of an older browser", "POST", []string{"Origin: http://evil.example", "Content-Type: application/x-www-form-urlencoded"}},
	{"a script", "GET", []string{"Sec-Fetch-Site: cross-site", "Origin: http://evil.example"}},
	{"a script that posts", "POST", []string{"Sec-Fetch-Site: cross-site", "Origin: http://evil.example", "Content-Type: text/plain;charset=UTF-8"}},
	{"a script that asks before", "OPTIONS", []string{"Sec-Fetch-Site: cross-site", "Origin: http://evil.example", "Access-Control-Request-Method: POST",
		"Access-Control-Request-Headers: belfry-session,x-api-key"}},
	{"a WebSocket", "GET", []string{"Sec-Fetch-Site: cross-site", "Origin: http://evil.example", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}},
}

// TestOtherSites has pages of another site ask at every route that carries state, in
// every way in which a browser lets them, and with everything that a query or a body
// can say there. None of them gets in or changes anything.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withLegacy)
	witness := hubtest.Listen(t, s.hub, "chat", "witness")
	body := everyWord.Get("cf_connect")
	for _, path := range paths(t, carries) {
		var refused int
		for _, via := range []string{"", "events", "stream", "poll", "send"} {
			query := url.Values{"via": {via}}
			for name, value := range everyWord {
				if name != "session" || via == "send" {
					query[name] = value
				}
			}
			for _, page := range foreign {
				status := s.statusOf(t, page.method, path+"?"+query.Encode(), body, page.header)
				// A page is let in by WebSocket only to be told that it may not; see TestOrigins.
				toldToGo := page.name == "a WebSocket" && via == "" && status == http.StatusSwitchingProtocols
				if (status < 400 || status >= 500) && !toldToGo {
					t.Errorf("%s %s?via=%s by %s: %d, want it refused", page.method, path, via, page.name, status)
				}
				if status == http.StatusForbidden {
					refused++
				}
			}
		}
		// What is not refused for its origin is for want of a key, or makes no sense.
		if want := 5 * 4; refused < want && !strings.HasPrefix(path, "/api") {
			t.Errorf("%s: only %d requests were refused for where they come from, want %d", path, refused, want)
		}
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 0 }, "nobody has a session")
	s.publish(t, "chat", `"the end"`)
	witness.Want(t, "the end")
}

// TestOwnPages makes requests that look like those of other sites and are of pages
// that may, or of no page: they are not refused for where they come from.
func TestOwnPages(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { o.Origins = []string{"https://good.example"} })
	open := newTestServer(t, func(o *web.Options) { o.Origins = []string{"*"} })
	for _, tc := range []struct {
		name   string
		server *testServer
		header []string
	}{
		{"no browser", s, nil},
		{"typed by a person", s, []string{"Sec-Fetch-Site: none"}},
		{"the same origin", s, []string{"Sec-Fetch-Site: same-origin"}},
		{"a page of the list", s, []string{"Sec-Fetch-Site: cross-site", "Origin: https://good.example"}},
		{"an image where every page may", open, []string{"Sec-Fetch-Site: cross-site"}},
	} {
		for _, target := range []string{
			"GET /events?channel=chat", "GET /ws/chat?via=events", "POST /ws/chat?via=poll", "GET /connection/websocket?via=events",
			"GET /connection/sse?" + url.Values{"cf_connect": {connect}}.Encode(),
		} {
			method, path, _ := strings.Cut(target, " ")
			if status := tc.server.statusOf(t, method, path, "", tc.header); status != http.StatusOK {
				t.Errorf("%s, %s: %d, want 200", target, tc.name, status)
			}
		}
	}
}

// statusOf makes a request and does not wait for the end of its answer.
func (s *testServer) statusOf(t *testing.T, method, target, body string, header []string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.URL+target, nil)
	if method == http.MethodPost && err == nil {
		r, err = http.NewRequestWithContext(ctx, method, s.URL+target, strings.NewReader(body))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range header {
		name, value, _ := strings.Cut(field, ": ")
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	response.Body.Close()
	return response.StatusCode
}

// TestQueryIsOneConnect asks for event streams with queries that say more than
// connect, or something else.
func TestQueryIsOneConnect(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	const publish = `{"id":2,"publish":{"channel":"chat","data":1}}`
	for name, tc := range map[string]struct {
		query  string
		status int
	}{
		"connect":                      {connect, 200},
		"connect with positions":       {`{"id":1,"connect":{"subs":{"chat":{"recover":true,"offset":1,"epoch":"x"}}}}`, 200},
		"connect between spaces":       {"\n " + connect + " \n", 200},
		"connect of a newer client":    {`{"id":1,"connect":{"name":"js","newer":[1]},"newer":1}`, 200},
		"two commands":                 {connect + "\n" + publish, 400},
		"two commands, CR LF":          {connect + "\r\n" + publish, 400},
		"two commands on one line":     {connect + publish, 400},
		"connect after another":        {publish + "\n" + connect, 400},
		"connect twice":                {connect + "\n" + connect, 400},
		"connect and a pong":           {connect + "\n{}", 400},
		"another command":              {publish, 400},
		"a command of two methods":     {`{"id":1,"connect":{},"publish":{"channel":"chat","data":1}}`, 400},
		"the same in capitals":         {`{"id":1,"connect":{},"PUBLISH":{"channel":"chat","data":1}}`, 400},
		"connect and rpc":              {`{"id":1,"connect":{},"rpc":{"method":"m"}}`, 400},
		"connect and send":             {`{"id":1,"connect":{},"send":{}}`, 400},
		"connect and a subscription":   {`{"id":1,"connect":{},"subscribe":{"channel":"chat"}}`, 400},
		"a command across lines":       {"{\"id\":1,\n" + publish + "\n}", 400},
		"an array of commands":         {"[" + connect + "," + publish + "]", 400},
		"nothing":                      {"", 400},
		"nothing but an empty object":  {"{}", 400},
		"invalid UTF-8 in the command": {"{\"id\":1,\"connect\":{\"name\":\"\xff\"}}", 400},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/connection/sse?" + url.Values{"cf_connect": {tc.query}}.Encode()
			if status := s.statusOf(t, http.MethodGet, path, "", nil); status != tc.status {
				t.Errorf("%q: %d, want %d", tc.query, status, tc.status)
			}
		})
	}
	if _, answer := s.insist(t, "history", `{"channel":"chat","limit":10}`); strings.Contains(encode(t, answer), `"data":1`) {
		t.Errorf("a query has published: %v", answer)
	}
}

// TestOtherNames asks every route there is by names that the server does not answer
// to, as a page does whose name was pointed at this machine.
func TestOtherNames(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { withLegacy(o); o.Hosts = []string{"hub.example", "*.town.example"} })
	all := paths(t, func(string) bool { return true })
	for _, path := range append(all, "/nowhere") {
		for host, known := range map[string]bool{
			"evil.example": false, "evil.example:40132": false, "hub.example": true, "a.town.example:1": true, "127.0.0.1": true,
		} {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				header := []string{"Host: " + host, "Origin: http://" + host, "Sec-Fetch-Site: same-origin", "X-API-Key: " + testKey}
				status := s.statusOf(t, method, path+"?via=poll&channel=chat", "{}", header)
				if (status == http.StatusMisdirectedRequest) == known {
					t.Errorf("%s %s of %s: %d", method, path, host, status)
				}
			}
		}
	}
	upgrade := []string{"Host: evil.example", "Origin: http://evil.example", "Connection: Upgrade", "Upgrade: websocket"}
	masked := append(upgrade[:4:4], "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	for name, header := range map[string][]string{"RFC 6455": masked, "hixie-75": upgrade} {
		if status := s.statusOf(t, http.MethodGet, "/ws/chat", "", header); status != http.StatusMisdirectedRequest {
			t.Errorf("a WebSocket of %s: %d, want 421", name, status)
		}
	}
	r, _ := http.NewRequest(http.MethodGet, s.URL+"/ws/chat", nil)
	r.Host = "Evil.Example:1"
	status, _, answer := do(t, r)
	if want := "this server does not answer to the name \\\"evil.example\\\": add it to hosts in the configuration (BELFRY_HOSTS)"; status != 421 || !strings.Contains(answer, want) {
		t.Errorf("%d %s, want 421 and %s", status, answer, want)
	}
	if !strings.Contains(s.log.String(), "evil.example") {
		t.Error("the log does not say which name it was")
	}
}
