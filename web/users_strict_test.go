package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

// secretive are channels that anybody may hear, whose history and presence nobody may
// read.
func secretive(o *web.Options) {
	o.Hub = hub.New(hub.Options{Rules: hub.Rules{{Match: "kept*", ServerPublish: true, Subscribe: hub.WhoAnyone, Presence: true,
		History: hub.History{Size: 10}, ReadHistory: hub.WhoServer, ReadPresence: hub.WhoServer}, {Match: "*", ServerPublish: true, Subscribe: hub.WhoUser, Presence: true}}})
	o.Subscribe = []string{"kept-for-all"}
	withUsers(o)
}

// TestNothingIsReadInPassing has clients recover, and hear who comes and goes, where they
// may read neither a history nor a presence.
func TestNothingIsReadInPassing(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, secretive)
	for _, channel := range []string{"kept", "kept-for-all"} {
		s.publish(t, channel, `"missed"`)
	}
	c := s.dial(t, "/connection/websocket")
	c.say(`{"id":1,"connect":{"subs":{"kept-for-all":{"recover":true}}}}`)
	got := c.hear()
	c.say(`{"id":2,"subscribe":{"channel":"kept","recover":true,"join_leave":true}}`)
	if got += c.hear(); strings.Contains(got, "missed") || !strings.Contains(got, `"id":2,"subscribe"`) {
		t.Errorf("a client that may not read the history got %s", got)
	}
	other := s.dial(t, "/connection/websocket")
	other.say(connect + "\n" + sub(2, "kept"))
	other.hearUntil(func(text string) bool { return strings.Contains(text, `"id":2`) }, "answer")
	s.publish(t, "kept", `"live"`)
	if got := c.hear(); strings.Contains(got, "join") || !strings.Contains(got, "live") {
		t.Errorf("a client that may not read the presence hears %s", got)
	}
	polled := make(chan string, 1)
	go func() {
		_, body := s.poll(t, "channel=kept&cursor="+cursorOf(place{"kept", "gone", 1}))
		polled <- body
	}()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("kept") == 3 }, "the poll waits")
	s.publish(t, "kept", `"for the poll"`)
	if body := <-polled; strings.Contains(body, `"gap"`) || !strings.Contains(body, "for the poll") {
		t.Errorf("a poll that may not read the history is answered with %s", body)
	}
}

// TestNobodySpeaksWhenToldToGo has a client go on publishing that was disconnected, and
// does not answer that.
func TestNobodySpeaksWhenToldToGo(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withUsers)
	heard := hubtest.Listen(t, s.hub, "user", "witness")
	raw := s.dial(t, "/ws/user?token="+tokenFor(t, "ada", nil))
	ada, _ := s.user(t, "ada", nil)
	s.api(t, "block_user", `{"user":"ada"}`)
	raw.say("raw")
	ada.say(`{"id":2,"publish":{"channel":"user","data":"centrifuge"}}`)
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions() == 0 }, "the sessions have ended")
	s.publish(t, "user", `"end"`)
	heard.Want(t, "", "", "end") // comes, leaves
}

// TestForeignPageSpendsNothing has a page of another site ask with the cookie of its
// visitor, who may have one connection.
func TestForeignPageSpendsNothing(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { withUsers(o); o.Limits.UserConnections = 1 })
	token := tokenFor(t, "ada", nil)
	header := http.Header{"Origin": {"http://evil.example"}, "Cookie": {"belfry=" + token}}
	c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+"/connection/websocket", header)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.user(t, "ada", nil)
}

// TestKeyOfOthersIsNobodysUser lets the backend subscribe a user, of whom another backend
// says to have the client, by a key for its own channels.
func TestKeyOfOthersIsNobodysUser(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withUsers)
	ours, _ := s.user(t, "ada", nil)
	c := s.dial(t, "/connection/websocket")
	c.say(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, tokenBy(t, narrowSecret, "ada", nil)))
	c.hear()
	s.api(t, "subscribe", `{"user":"ada","channel":"anyone"}`)
	if got := ours.hear(); !strings.Contains(got, `"channel":"anyone","subscribe"`) {
		t.Errorf("our own user hears %s", got)
	}
	if n := s.hub.NumSubscribers("anyone"); n != 1 {
		t.Errorf("%d clients are subscribed, want that of our own user", n)
	}
}

// TestTakenBackStays asks for less than was taken back: a shorter time, and older tokens.
func TestTakenBackStays(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withUsers)
	now := time.Now().Unix()
	s.api(t, "block_user", `{"user":"ada"}`)
	s.api(t, "block_user", fmt.Sprintf(`{"user":"ada","expire_at":%d}`, now+60))
	s.api(t, "invalidate_user_tokens", fmt.Sprintf(`{"user":"ben","issued_before":%d}`, now))
	s.api(t, "invalidate_user_tokens", fmt.Sprintf(`{"user":"ben","issued_before":%d,"expire_at":%d}`, now-100, now+60))
	notes, _, err := s.hub.Notes(t.Context(), "")
	if err != nil || len(notes) != 2 {
		t.Fatalf("%d notes, %v", len(notes), err)
	}
	for _, n := range notes {
		if n.Until < now+1e6 {
			t.Errorf("%s holds until %d, want what was said first", n.Name, n.Until)
		}
	}
	takes(t, []*testServer{s}, tokenFor(t, "ben", jwt.MapClaims{"iat": now - 50}), "3500")
	s.api(t, "unblock_user", `{"user":"ada"}`)
	takes(t, []*testServer{s}, tokenFor(t, "ada", nil), "")
	notes, _, _ = s.hub.Notes(t.Context(), "")
	for _, n := range notes {
		if n.Name == "user:ada" && n.Until > now+31*24*3600 {
			t.Errorf("that %s was given back is remembered until %d, want a month at most", n.Name, n.Until)
		}
	}
}
