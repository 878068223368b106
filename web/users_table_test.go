package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"belfry/web"
	"belfry/web/access"
)

// visitor is a kind of client.
type visitor struct {
	name   string
	user   string
	grants []string // channels that its token names
	token  string   // empty: none
}

func visitors(t *testing.T) []visitor {
	named := []string{"token", "$private"}
	claim := jwt.MapClaims{"belfry": map[string][]string{"subscribe": named, "publish": named, "history": named, "presence": named}}
	return []visitor{
		{name: "nobody"},
		{"a user", "ada", nil, tokenFor(t, "ada", nil)},
		{"a user with grants", "ada", named, tokenFor(t, "ada", claim)},
		{"nobody with grants", "", named, tokenFor(t, "", claim)},
	}
}

var userChannels = []string{"anyone", "user", "token", "subscriber", "server", "of:ada", "of:bob", "$private"}

// may says once more what a visitor may do on a channel.
func (v visitor) may(action access.Action, channel string, subscribed bool) bool {
	named := slices.Contains(v.grants, channel)
	switch channel {
	case "anyone":
		return true
	case "user":
		return v.user != ""
	case "token":
		return named
	case "subscriber":
		return subscribed || action == access.Subscribe
	case "of:ada":
		return v.user == "ada"
	case "$private": // users of whom a token names it, and of whom the name asks no more once they are in
		return named && (v.user != "" || action == access.Subscribe)
	}
	return false
}

// way is how clients reach channels by one protocol over one transport.
type way struct {
	name   string
	routes []string
	try    func(t *testing.T, s *testServer, v visitor)
}

// ways are all there are. A protocol that is not here fails the test.
func ways() (all []way) {
	commands := []string{"/connection/websocket"}
	all = append(all,
		way{"Centrifuge over WebSocket", commands, func(t *testing.T, s *testServer, v visitor) {
			c := s.dialAs(t, "/connection/websocket", "")
			tryCommands(t, v, v.token, c.say, c.hear)
		}},
		way{"Centrifuge over WebSocket, by a header", commands, func(t *testing.T, s *testServer, v visitor) {
			c := s.dialAs(t, "/connection/websocket", v.token)
			tryCommands(t, v, "", c.say, c.hear)
		}},
		way{"Centrifuge over http_stream", []string{"/connection/http_stream", "/emulation"}, func(t *testing.T, s *testServer, v visitor) { tryEmulation(t, s, v, false) }},
		way{"Centrifuge over sse", []string{"/connection/sse", "/emulation"}, func(t *testing.T, s *testServer, v visitor) { tryEmulation(t, s, v, true) }},
		way{"raw over WebSocket", []string{"/ws/chat"}, tryRawWebSocket},
		way{"raw over hixie-75", []string{"/ws/chat"}, tryHixie},
		way{"an event stream", []string{"/events"}, func(t *testing.T, s *testServer, v visitor) {
			tryRequests(t, s, v, "GET", "/events?channel=%s", "text/event-stream")
		}},
		way{"a poll", []string{"/events"}, func(t *testing.T, s *testServer, v visitor) {
			for _, channel := range userChannels {
				tryRequest(t, s, v, channel, "GET", "/events?channel="+channel+"&cursor="+cursorOf(place{channel, "gone", 1}), "application/json")
			}
		}},
		way{"the API", []string{"/api"}, tryAPI},
		way{"tickets", []string{"/ticket"}, tryTickets},
		way{"the echo", []string{"/echo"}, func(t *testing.T, s *testServer, v visitor) {
			c := s.dialAs(t, "/echo", v.token)
			c.say("hello")
			c.hearUntil(func(text string) bool { return text == "hello" }, "echo")
		}},
	)
	for _, via := range []string{"events", "stream", "poll"} {
		all = append(all,
			way{"Centrifuge via " + via, commands, func(t *testing.T, s *testServer, v visitor) {
				c := s.openLink(t, via, "/connection/websocket")
				tryCommands(t, v, v.token, func(text string) { c.say(text) }, c.hear)
			}},
			way{"raw via " + via, []string{"/ws/chat"}, func(t *testing.T, s *testServer, v visitor) { tryRawLink(t, s, v, via) }})
	}
	return all
}

// TestWhoMayDoWhat has every kind of client do everything that there is to do, by every
// protocol over every transport, on channels with every kind of rule.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { withUsers(o); withLegacy(o) })
	who, all := visitors(t), ways()
	for _, path := range paths(t, carries) {
		if !slices.ContainsFunc(all, func(w way) bool {
			return slices.ContainsFunc(w.routes, func(route string) bool { return route == path || strings.HasPrefix(path, route+"/") })
		}) {
			t.Errorf("%s is in no line of the table of who may do what", path)
		}
	}
	for _, w := range all {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for _, v := range who {
				t.Run(v.name, func(t *testing.T) { w.try(t, s, v) })
			}
		})
	}
}

// dialAs opens a WebSocket with a token in the handshake, if there is one.
func (s *testServer) dialAs(t *testing.T, path, token string) *client {
	t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+path, bearer(token))
	if err != nil {
		t.Fatalf("dial %s: %v (%v)", path, err, response)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn, path == "/connection/websocket"}
}

func bearer(token string) http.Header {
	if token == "" {
		return nil
	}
	return http.Header{"Authorization": {"Bearer " + token}}
}

// tryCommands does everything by commands, before the client subscribes and after.
func tryCommands(t *testing.T, v visitor, token string, say func(string), hear func() string) {
	t.Helper()
	id := 0
	ask := func(command string, args ...any) string {
		id++
		say(fmt.Sprintf(`{"id":%d,%s}`, id, fmt.Sprintf(command, args...)))
		for {
			for _, line := range strings.Split(hear(), "\n") {
				if strings.HasPrefix(line, fmt.Sprintf(`{"id":%d,`, id)) {
					return line
				}
			}
		}
	}
	if reply := ask(`"connect":{"token":%q}`, token); strings.Contains(reply, "error") {
		t.Fatal(reply)
	}
	tryChannels(t, v, ask)
}

// tryChannels does everything on all channels, by a function that asks and returns the
// reply.
func tryChannels(t *testing.T, v visitor, ask func(string, ...any) string) {
	t.Helper()
	wants := func(action access.Action, channel string, subscribed bool, reply string) {
		t.Helper()
		if allowed := !strings.Contains(reply, `"error"`); allowed != v.may(action, channel, subscribed) || !allowed && !strings.Contains(reply, `"code":103`) {
			t.Errorf("%s, action %d on %s, subscribed %t: %s", v.name, action, channel, subscribed, reply)
		}
	}
	for _, channel := range userChannels {
		subscribed := false
		for range 2 {
			wants(access.Publish, channel, subscribed, ask(`"publish":{"channel":%q,"data":1}`, channel))
			wants(access.ReadHistory, channel, subscribed, ask(`"history":{"channel":%q}`, channel))
			wants(access.ReadPresence, channel, subscribed, ask(`"presence":{"channel":%q}`, channel))
			wants(access.ReadPresence, channel, subscribed, ask(`"presence_stats":{"channel":%q}`, channel))
			if subscribed {
				break
			}
			reply := ask(`"subscribe":{"channel":%q}`, channel)
			wants(access.Subscribe, channel, false, reply)
			if subscribed = !strings.Contains(reply, `"error"`); !subscribed {
				break
			}
		}
	}
}

func tryEmulation(t *testing.T, s *testServer, v visitor, sse bool) {
	e := s.emulate(t, sse, fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, v.token))
	t.Cleanup(func() { _ = e.close() })
	var reply struct {
		Connect struct{ Session, Node string }
	}
	if line := e.hear(); json.Unmarshal([]byte(line), &reply) != nil || reply.Connect.Session == "" {
		t.Fatal(line)
	}
	e.session, e.node = reply.Connect.Session, reply.Connect.Node
	id := 1
	tryChannels(t, v, func(command string, args ...any) string {
		id++
		if status := e.say(s.URL, fmt.Sprintf(`{"id":%d,%s}`, id, fmt.Sprintf(command, args...))); status != http.StatusNoContent {
			t.Fatalf("status %d", status)
		}
		for {
			line := e.hear()
			if strings.HasPrefix(line, fmt.Sprintf(`{"id":%d,`, id)) || line == "end" {
				return line
			}
		}
	})
}

// refusedWith is the status of a refusal.
func (v visitor) refusedWith(channel string) int {
	if v.token == "" && channel != "server" {
		return http.StatusUnauthorized
	}
	return http.StatusForbidden
}

func tryRawWebSocket(t *testing.T, s *testServer, v visitor) {
	for _, channel := range userChannels {
		conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+"/ws/"+channel, bearer(v.token))
		switch allowed := v.may(access.Subscribe, channel, false); {
		case (err == nil) != allowed || !allowed && response.StatusCode != v.refusedWith(channel):
			t.Errorf("%s at %s: %v, %v", v.name, channel, response, err)
		case allowed:
			c := &client{t: t, Conn: conn}
			text := "by " + t.Name()
			if c.say(text); v.may(access.Publish, channel, true) {
				c.hearUntil(func(heard string) bool { return heard == text }, "message")
			} else if code, _ := c.closed(); code != 1008 {
				t.Errorf("%s publishes to %s: closed with %d, want 1008", v.name, channel, code)
			}
		}
		if err == nil {
			conn.Close()
		}
	}
}

// withBearer makes requests with a token.
type withBearer string

func (b withBearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, values := range bearer(string(b)) {
		r.Header[name] = values
	}
	return http.DefaultTransport.RoundTrip(r)
}

func tryRawLink(t *testing.T, s *testServer, v visitor, via string) {
	method := map[bool]string{true: "GET", false: "POST"}[via == "events"]
	tryRequests(t, s, v, method, "/ws/%s?via="+via, "*/*")
	for _, channel := range userChannels {
		if !v.may(access.Subscribe, channel, false) {
			continue
		}
		c := openLink(t, &http.Client{Transport: withBearer(v.token)}, func() string { return s.URL }, via, "/ws/"+channel)
		text := "by " + t.Name()
		if c.say(text); v.may(access.Publish, channel, true) {
			c.hearUntil(func(heard string) bool { return heard == text })
		} else if end := c.end(); end.code != 1008 {
			t.Errorf("%s publishes to %s: %+v, want 1008", v.name, channel, end)
		}
	}
}

// tryRequests subscribes to each channel by a request.
func tryRequests(t *testing.T, s *testServer, v visitor, method, path, accept string) {
	t.Helper()
	for _, channel := range userChannels {
		tryRequest(t, s, v, channel, method, fmt.Sprintf(path, channel), accept)
	}
}

func tryRequest(t *testing.T, s *testServer, v visitor, channel, method, path, accept string) {
	t.Helper()
	header := []string{"Accept: " + accept}
	if v.token != "" {
		header = append(header, "Authorization: Bearer "+v.token)
	}
	status, challenge := s.shows(t, method, path, header)
	want := http.StatusOK
	if !v.may(access.Subscribe, channel, false) {
		want = v.refusedWith(channel)
	}
	if status != want || (challenge == "Bearer") != (want == http.StatusUnauthorized) {
		t.Errorf("%s at %s: %d with %q, want %d", v.name, path, status, challenge, want)
	}
}

// tryHixie shows tokens by a handshake that proves nothing: everybody is nobody.
func tryHixie(t *testing.T, s *testServer, v visitor) {
	for _, channel := range userChannels {
		request := fmt.Sprintf("GET /ws/%s HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: x\r\nOrigin: http://x\r\nAuthorization: Bearer %s\r\nCookie: belfry=%s\r\n\r\n",
			channel, v.token, v.token)
		want, nobody := http.StatusSwitchingProtocols, visitor{}
		if !nobody.may(access.Subscribe, channel, false) {
			want = nobody.refusedWith(channel)
		}
		if response, _ := s.ask(t, request); response.StatusCode != want {
			t.Errorf("%s at %s: %s, want %d", v.name, channel, response.Status, want)
		}
	}
}

// tryAPI has tokens of users be no keys, and the backend do everything.
func tryAPI(t *testing.T, s *testServer, v visitor) {
	calls := map[string]string{"publish": `{"channel":%q,"data":1}`, "history": `{"channel":%q}`, "presence": `{"channel":%q}`, "subscribe": `{"channel":%q,"client":"x"}`}
	for _, channel := range userChannels {
		for call, body := range calls {
			body = fmt.Sprintf(body, channel)
			if status, _ := s.call(t, "/api/"+call, body, "Authorization", "Bearer "+v.token); status != http.StatusUnauthorized {
				t.Errorf("%s calls %s: %d", v.name, call, status)
			}
			if status, answer := s.call(t, "/api/"+call, body, "X-API-Key", testKey); status != http.StatusOK {
				t.Errorf("the backend calls %s on %s: %d, %v", call, channel, status, answer)
			}
		}
	}
}

// tryTickets subscribes by tickets.
func tryTickets(t *testing.T, s *testServer, v visitor) {
	status, answer := s.call(t, "/ticket", "", "Authorization", "Bearer "+v.token)
	if v.token == "" {
		if status != http.StatusUnauthorized {
			t.Errorf("for nothing: %d, %v", status, answer)
		}
		return
	}
	for _, channel := range userChannels {
		_, answer := s.call(t, "/ticket", "", "Authorization", "Bearer "+v.token)
		status, _ := s.shows(t, "GET", fmt.Sprintf("/events?channel=%s&ticket=%s", channel, answer["ticket"]), nil)
		want := http.StatusOK
		if !v.may(access.Subscribe, channel, false) {
			want = v.refusedWith(channel)
		}
		if status != want {
			t.Errorf("%s at %s: %d, want %d", v.name, channel, status, want)
		}
	}
}
