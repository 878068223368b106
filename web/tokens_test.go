package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"belfry/hub"
	"belfry/web"
)

// TestTokensAreRefused shows tokens, which nobody checks: whoever made one up would be
// let in.
func TestTokensAreRefused(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) { o.Subscribe = []string{"news"} })
	const refused = `"error":{"code":103,"message":"permission denied: tokens are not checked here, and none is accepted: leave token out"}}`
	c := s.dial(t, "/connection/websocket")
	for id, command := range []string{
		`"connect":{"token":"forged"}`,
		`"connect":{"subs":{"news":{"token":"forged"}}}`,
	} {
		c.say(fmt.Sprintf(`{"id":%d,%s}`, id+1, command))
		c.wants(fmt.Sprintf(`{"id":%d,%s`, id+1, refused))
	}
	if n := s.hub.NumSubscribers("news"); n != 0 {
		t.Errorf("%d are subscribed", n)
	}
	c.say(`{"id":3,"connect":{"token":""}}`)
	if got := c.hear(); !strings.HasPrefix(got, `{"id":3,"connect":{"client":"`) {
		t.Errorf("without a token: %s", got)
	}
	c.say(`{"id":4,"subscribe":{"channel":"weather","token":"forged"}}`)
	c.wants(`{"id":4,` + refused)
	c.say(`{"id":5,"subscribe":{"channel":"weather","token":""}}`)
	c.wants(`{"id":5,"subscribe":{}}`)
	log := s.log.String()
	if n := strings.Count(log, "relies on tokens"); n == 0 || strings.Contains(log, "forged") {
		t.Errorf("%d lines in the log, want some, without the token:\n%s", n, log)
	}
}

// TestPrivateChannels wants channels that need a token by their name, over everything
// that subscribes or publishes. The backend may subscribe clients all the same.
func TestPrivateChannels(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Rules: hub.Rules{{Match: "*", ServerPublish: true, ClientPublish: true, Presence: true}}})
	})
	const refused = `"error":{"code":103,"message":"permission denied: names that begin with $ are of private channels, to which only the backend can subscribe clients"}}`
	c, id := s.identified(t)
	c.say(sub(2, "$private") + `{"id":3,"publish":{"channel":"$private","data":1}}` + "\n" + `{"id":4,"presence":{"channel":"$private"}}`)
	c.wants(`{"id":2,` + refused + "\n" + `{"id":3,` + refused + "\n" + `{"id":4,"error":{"code":103,"message":"permission denied"}}`)
	for _, request := range []struct{ method, path, accept string }{
		{http.MethodGet, "/events?channel=$private", "text/event-stream"},
		{http.MethodGet, "/events?channel=chat&channel=$private", "text/event-stream"},
		{http.MethodGet, "/events?channel=$private", "application/json"},
		{http.MethodGet, "/ws/$private?via=events", "*/*"},
		{http.MethodPost, "/ws/%24private?via=stream", "*/*"},
		{http.MethodPost, "/ws/$private?via=poll", "*/*"},
	} {
		if status := s.statusOf(t, request.method, request.path, "", []string{"Accept: " + request.accept}); status != http.StatusForbidden {
			t.Errorf("%s %s as %s: %d, want 403", request.method, request.path, request.accept, status)
		}
	}
	_, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+"/ws/$private", nil)
	if err == nil || response == nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("WebSocket: %v %v, want 403", response, err)
	}
	if n := s.hub.NumSubscribers("$private"); n != 0 {
		t.Errorf("%d are subscribed", n)
	}
	s.api(t, "subscribe", fmt.Sprintf(`{"client":%q,"channel":"$private"}`, id))
	c.wants(`{"push":{"channel":"$private","subscribe":{}}}`)
	s.publish(t, "$private", `"for you"`)
	c.wants(`{"push":{"channel":"$private","pub":{"data":"for you"}}}`)
	c.say(`{"id":5,"presence_stats":{"channel":"$private"}}`)
	c.wants(`{"id":5,"presence_stats":{"num_clients":1,"num_users":1}}`)
	log := s.log.String()
	if n, addressed := strings.Count(log, "relies on tokens"), strings.Count(log, "address=127.0.0.1 "); n == 0 || addressed != n {
		t.Errorf("%d of %d lines of the log say whose it was:\n%s", addressed, n, log)
	}
}
