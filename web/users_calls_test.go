package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// onUserClusters runs a test over clusters of every kind, whose clients may show tokens.
func onUserClusters(t *testing.T, test func(*testing.T, []*testServer)) {
	onClusters(t, test, withUsers)
}

// user opens a Centrifuge connection of a user, and returns the connect result too.
func (s *testServer) user(t testing.TB, name string, claims jwt.MapClaims) (*client, string) {
	t.Helper()
	c := s.dial(t, "/connection/websocket")
	c.say(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, tokenFor(t, name, claims)))
	result := c.hear()
	if !strings.Contains(result, `"connect":{`) {
		t.Fatalf("connect of %s: %s", name, result)
	}
	return c, result
}

// TestCallsByUser subscribes, prolongs, unsubscribes and disconnects a user's clients on
// all nodes, and nobody else.
func TestCallsByUser(t *testing.T) {
	onUserClusters(t, func(t *testing.T, servers []*testServer) {
		first, second := servers[0], last(servers)
		ada, _ := first.user(t, "ada", nil)
		other, result := second.user(t, "ada", nil)
		ben, _ := second.user(t, "ben", nil)
		_, id, _ := strings.Cut(result, `"client":"`)
		id, _, _ = strings.Cut(id, `"`)

		first.api(t, "subscribe", `{"user":"ada","channel":"off"}`)
		for _, c := range []*client{ada, other} {
			c.wants(`{"push":{"channel":"off","subscribe":{}}}`)
		}
		first.publish(t, "off", `"for ada"`)
		for _, c := range []*client{ada, other} {
			c.wants(`{"push":{"channel":"off","pub":{"data":"for ada"}}}`)
		}
		second.api(t, "refresh", `{"user":"ada"}`)
		for _, c := range []*client{ada, other} {
			c.wants(`{"push":{"refresh":{}}}`)
		}
		second.api(t, "unsubscribe", fmt.Sprintf(`{"user":"ada","client":%q,"channel":"off"}`, id))
		other.wants(`{"push":{"channel":"off","unsubscribe":{"code":2000,"reason":"unsubscribed by the server"}}}`)
		first.api(t, "disconnect", fmt.Sprintf(`{"user":"ben","client":%q}`, id)) // nobody is both
		first.api(t, "disconnect", fmt.Sprintf(`{"user":"ada","whitelist":[%q]}`, id))
		if code, _ := ada.closed(); code != 3503 {
			t.Errorf("disconnected with %d", code)
		}
		first.api(t, "refresh", `{"user":"ada","expired":true}`)
		if code, _ := other.closed(); code != 3005 {
			t.Errorf("expired with %d", code)
		}
		ben.say(`{"id":2,"ping":{}}`) // is still there, and has heard of nothing
		ben.wants(`{"id":2,"ping":{}}`)
	})
}

// TestUsersAreCounted counts the users of nodes, of which all who are anonymous are one.
func TestUsersAreCounted(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withUsers)
	for want, connect := range []func(){
		func() {},
		func() { s.user(t, "ada", nil) },
		func() { s.user(t, "ben", nil); s.user(t, "ada", nil) },
		func() { s.identified(t); s.identified(t) },
	} {
		connect()
		node := s.api(t, "info", "{}")["nodes"].([]any)[0].(map[string]any)
		if got := node["num_users"]; got != float64(want) {
			t.Errorf("num_users is %v, want %d", got, want)
		}
	}
}

// TestCallsBySession names a session over HTTP by its secret, and disconnects it.
func TestCallsBySession(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withUsers)
	stream := s.emulate(t, false, fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, tokenFor(t, "ada", nil)))
	_, secret, _ := strings.Cut(stream.hear(), `"session":"`)
	secret, _, _ = strings.Cut(secret, `"`)
	s.api(t, "disconnect", fmt.Sprintf(`{"user":"ben","session":%q}`, secret)) // it is ada's
	s.api(t, "disconnect", `{"session":"other"}`)
	s.api(t, "refresh", fmt.Sprintf(`{"session":%q}`, secret))
	if line := stream.hear(); line != `{"push":{"refresh":{}}}` {
		t.Errorf("heard %s", line)
	}
	s.api(t, "disconnect", fmt.Sprintf(`{"session":%q}`, secret))
	if line := stream.hear(); !strings.Contains(line, "3503") {
		t.Errorf("heard %s", line)
	}
}

// TestExcludeUser publishes to everybody but a user, on whatever node, live and among
// what is recovered, over every protocol.
func TestExcludeUser(t *testing.T) {
	onUserClusters(t, func(t *testing.T, servers []*testServer) {
		first, second := servers[0], last(servers)
		listen := func(name string) *client {
			c, _ := second.user(t, name, nil)
			c.say(`{"id":2,"subscribe":{"channel":"news"}}`)
			c.hear()
			return c
		}
		ada, ben := listen("ada"), listen("ben")
		ticket := second.dial(t, "/ws/news?token="+tokenFor(t, "ada", nil))
		first.api(t, "publish", `{"channel":"news","data":1,"exclude_user":"ada"}`)
		first.api(t, "broadcast", `{"channels":["news"],"data":2,"exclude_user":"eve"}`)
		ada.wants(`{"push":{"channel":"news","pub":{"data":2,"offset":2}}}`)
		ben.wants(`{"push":{"channel":"news","pub":{"data":1,"offset":1}}}`, `{"push":{"channel":"news","pub":{"data":2,"offset":2}}}`)
		ticket.wants("2")
		for name, want := range map[string]int{"ada": 1, "ben": 2} {
			c, _ := first.user(t, name, nil)
			c.say(`{"id":2,"subscribe":{"channel":"news","recover":true,"offset":0}}`)
			if got := strings.Count(c.hear(), `"data":`); got != want {
				t.Errorf("%s recovers %d messages, want %d", name, got, want)
			}
		}
	})
}

// TestRefreshWithLess shows a token that grants less than the one before: what the client
// had the right to by that one only ends, and nothing else does.
func TestRefreshWithLess(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withUsers)
	c, _ := s.user(t, "ada", jwt.MapClaims{"belfry": map[string]any{"subscribe": []string{"token"}}})
	c.say(sub(2, "user") + sub(3, "token"))
	c.hear()
	s.api(t, "subscribe", `{"user":"ada","channel":"server"}`)
	c.hear()
	c.say(fmt.Sprintf(`{"id":4,"refresh":{"token":%q}}`, tokenFor(t, "ada", nil)))
	got := c.hear()
	for !strings.Contains(got, `"id":4`) || !strings.Contains(got, "unsubscribe") {
		got += c.hear()
	}
	if want := `{"push":{"channel":"token","unsubscribe":{"code":2501,"reason":"subscription expired"}}}`; !strings.Contains(got, want) || strings.Count(got, "unsubscribe") != 1 {
		t.Errorf("after the refresh comes %s, want %s", got, want)
	}
	for channel, want := range map[string]int{"user": 1, "token": 0, "server": 1} {
		if n := s.hub.NumSubscribers(channel); n != want {
			t.Errorf("%s has %d subscribers, want %d", channel, n, want)
		}
	}
}
