package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"belfry/hub"
	"belfry/web"
	"belfry/web/access"
)

// visitor is a kind of client.
type visitor struct {
	name   string
	user   string
	grants []string // channels that its token names
	within []string // channels on which its token counts; nil: all
	token  string   // empty: none
	forged bool     // the token is
}

func visitors(t *testing.T) []visitor {
	named := []string{"token", "mixed", "$private"}
	claim := jwt.MapClaims{"belfry": map[string][]string{"subscribe": named, "publish": named, "history": named, "presence": named}}
	good := tokenFor(t, "ada", claim)
	return []visitor{
		{name: "nobody"},
		{name: "a user", user: "ada", token: tokenFor(t, "ada", nil)},
		{name: "a user with grants", user: "ada", grants: named, token: good},
		{name: "nobody with grants", grants: named, token: tokenFor(t, "", claim)},
		{name: "a user of a narrow key", user: "ada", grants: named, within: narrowChannels, token: tokenBy(t, narrowSecret, "ada", claim)},
		{name: "a forger", token: good[:len(good)-4] + "AAAA", forged: true},
	}
}

// userChannels are one for each kind of rule.
var userChannels = []string{"anyone", "user", "token", "subscriber", "server", "mixed", "of:ada", "of:bob", "$private"}

// may says once more what a visitor may do on a channel.
func (v visitor) may(action access.Action, channel string, subscribed bool) bool {
	if v.within != nil && !slices.Contains(v.within, channel) {
		v = visitor{}
	}
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
	case "mixed":
		return map[access.Action]bool{access.Subscribe: true, access.Publish: named, access.ReadHistory: v.user != "", access.ReadPresence: subscribed}[action]
	case "of:ada":
		return v.user == "ada"
	case "$private": // users of whom a token names it, and of whom the name asks no more once they are in
		return named && (v.user != "" || action == access.Subscribe)
	}
	return false
}

// refusedWith is the status of a refusal.
func (v visitor) refusedWith(channel string) int {
	if v.forged || v.token == "" && channel != "server" {
		return http.StatusUnauthorized
	}
	return http.StatusForbidden
}

// status is that of a subscription by a request.
func (v visitor) status(channel string, done int) int {
	if v.forged || !v.may(access.Subscribe, channel, false) {
		return v.refusedWith(channel)
	}
	return done
}

// way is how clients reach channels by one protocol over one transport.
type way struct {
	name   string
	routes []string
	try    func(t *testing.T, s *testServer, v visitor)
}

// ways are all there are. A protocol that is not here fails the test. How a token is
// shown with a request is tried by every way over one transport of a kind, and by a header
// over the others.
func ways() (all []way) {
	commands, raw, events := []string{"/connection/websocket"}, []string{"/ws/chat"}, []string{"/events"}
	add := func(name string, routes []string, try func(*testing.T, *testServer, visitor)) {
		all = append(all, way{name, routes, try})
	}
	add("the API", []string{"/api"}, tryAPI)
	add("tickets", []string{"/ticket"}, tryTickets)
	add("tokens for subscriptions", commands, trySubscriptionTokens)
	for _, how := range append(showings(), showing{"in a command", nil}) {
		add("Centrifuge over WebSocket, "+how.name, commands, how.tryWebSocket)
		add("Centrifuge over http_stream, "+how.name, []string{"/connection/http_stream", "/emulation"}, how.tryHTTPStream)
		add("Centrifuge over sse, "+how.name, []string{"/connection/sse", "/emulation"}, how.trySSE)
	}
	for _, how := range showings() {
		add("the echo, "+how.name, []string{"/echo"}, how.tryEcho)
		add("raw over WebSocket, "+how.name, raw, how.tryRaw)
		add("an event stream, "+how.name, events, how.tryEvents)
		add("a poll, "+how.name, events, how.tryPoll)
		for _, via := range []string{"stream", "events", "poll"} {
			if via == "stream" || how.name == byHeader.name {
				add("raw via "+via+", "+how.name, raw, func(t *testing.T, s *testServer, v visitor) { how.tryRawLink(t, s, v, via) })
				add("Centrifuge via "+via+", "+how.name, commands, func(t *testing.T, s *testServer, v visitor) { how.tryLink(t, s, v, via) })
			}
		}
		for draft, fields := range drafts {
			if draft == "hixie-75" || how.name == byHeader.name {
				add("raw over "+draft+", "+how.name, raw, func(t *testing.T, s *testServer, v visitor) { how.tryDraft(t, s, v, fields) })
			}
		}
	}
	return all
}

// missing are the paths that no way goes by.
func missing(paths []string, all []way) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		return slices.ContainsFunc(all, func(w way) bool {
			return slices.ContainsFunc(w.routes, func(route string) bool { return route == path || strings.HasPrefix(path, route+"/") })
		})
	})
}

// TestWhoMayDoWhat has every kind of client do everything that there is to do, by every
// protocol over every transport, on channels with every kind of rule, and show who it is
// by every way there is.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { withUsers(o); withLegacy(o) })
	who, all := visitors(t), ways()
	if left := missing(paths(t, carries), all); len(left) > 0 {
		t.Errorf("%q are in no line of the table of who may do what", left)
	}
	if left := missing([]string{"/api/publish", "/mqtt", "/connection/websocket2"}, all); len(left) != 2 {
		t.Errorf("of two new protocols the table lacks %q", left)
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

// talk is a connection of the Centrifuge protocol.
type talk struct {
	say  func(text string)
	hear func() string
	end  func() string // how it ended
}

// tryTalk does everything by commands, before the client subscribes and after. The token
// is that of the connect command.
func tryTalk(t *testing.T, v visitor, token string, c talk) {
	t.Helper()
	c.say(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token))
	if v.forged {
		if end := c.end(); !strings.Contains(end, "3500") {
			t.Errorf("it ends with %s", end)
		}
		return
	}
	if reply := c.hear(); !strings.Contains(reply, `{"id":1,"connect":`) {
		t.Fatal(reply)
	}
	tryChannels(t, v, asker(c))
}

// asker returns a function that asks by a command and returns the reply.
func asker(c talk) func(command string, args ...any) string {
	id := 1
	return func(command string, args ...any) string {
		id++
		c.say(fmt.Sprintf(`{"id":%d,%s}`, id, fmt.Sprintf(command, args...)))
		for {
			for _, line := range strings.Split(c.hear(), "\n") {
				if strings.HasPrefix(line, fmt.Sprintf(`{"id":%d,`, id)) || line == "end" {
					return line
				}
			}
		}
	}
}

// tryChannels does everything on all channels.
func tryChannels(t *testing.T, v visitor, ask func(string, ...any) string) {
	t.Helper()
	for _, channel := range userChannels {
		tryActions(t, v, channel, false, ask)
		if subscribes(t, v.may(access.Subscribe, channel, false), ask(`"subscribe":{"channel":%q}`, channel)) {
			tryActions(t, v, channel, true, ask)
		}
	}
}

// tryActions does everything on a channel but to subscribe.
func tryActions(t *testing.T, v visitor, channel string, subscribed bool, ask func(string, ...any) string) {
	t.Helper()
	for command, action := range map[string]access.Action{
		`"publish":{"channel":%q,"data":1}`: access.Publish, `"history":{"channel":%q}`: access.ReadHistory,
		`"presence":{"channel":%q}`: access.ReadPresence, `"presence_stats":{"channel":%q}`: access.ReadPresence,
	} {
		if reply, may := ask(command, channel), v.may(action, channel, subscribed); may == strings.Contains(reply, `"error"`) || !may && !strings.Contains(reply, `"code":103`) {
			t.Errorf("%s on %s, subscribed: %t, allowed: %t, but %s", command, channel, subscribed, may, reply)
		}
	}
}

// subscribes wants a client to be subscribed that may, and returns whether it is.
func subscribes(t *testing.T, may bool, reply string) bool {
	t.Helper()
	refused := strings.Contains(reply, `"error"`)
	if may == refused || refused && !strings.Contains(reply, `"code":103`) {
		t.Errorf("to subscribe is allowed: %t, but %s", may, reply)
	}
	return !refused
}

// trySubscriptionTokens shows tokens that name channels one by one: where the rule asks
// for less than the server, and the channel is nobody else's, they open it.
func trySubscriptionTokens(t *testing.T, s *testServer, v visitor) {
	if v.forged || v.within != nil {
		return // what their tokens are good for stands in the other lines
	}
	c := talkOver(s.dialAs(t, showing{}, "/connection/websocket", ""))
	c.say(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, v.token))
	c.hear()
	ask := asker(c)
	for _, channel := range userChannels {
		token := tokenFor(t, v.user, jwt.MapClaims{"channel": channel, "allow": []string{"sub", "pub", "hst", "prs"}})
		tryActions(t, v, channel, false, ask)
		named := v
		named.grants = userChannels
		if subscribes(t, named.may(access.Subscribe, channel, false), ask(`"subscribe":{"channel":%q,"token":%q}`, channel, token)) {
			tryActions(t, named, channel, true, ask)
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

// tryTickets gets one, for a good token alone.
func tryTickets(t *testing.T, s *testServer, v visitor) {
	want := http.StatusOK
	if v.token == "" || v.forged {
		want = http.StatusUnauthorized
	}
	if status, answer := s.call(t, "/ticket", "", "Authorization", "Bearer "+v.token); status != want {
		t.Errorf("got %d, %v; want %d", status, answer, want)
	}
}

// mixedRule has another list for each action.
var mixedRule = hub.Rule{Match: "mixed", ServerPublish: true, Subscribe: hub.WhoAnyone, Publish: hub.WhoToken, ReadHistory: hub.WhoUser,
	ReadPresence: hub.WhoSubscriber, History: hub.History{Size: 10}, Presence: true}
