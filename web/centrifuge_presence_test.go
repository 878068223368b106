package web_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

// enter subscribes to a channel with more fields than its name.
func enter(id int, channel, fields string) string {
	return fmt.Sprintf(`{"id":%d,"subscribe":{"channel":%q,%s}}`, id, channel, fields)
}

func TestPresence(t *testing.T) {
	onClusters(t, func(t *testing.T, servers []*testServer) {
		ada, adaID := servers[0].identified(t)
		ada.say(enter(2, "chat", `"data":{"name": "Ada"}`))
		ada.hear()
		bob, bobID := last(servers).identified(t)
		bob.say(enter(2, "chat", `"data":null`))
		bob.hear()

		want := fmt.Sprintf(`{"id":3,"presence":{"presence":{%s}}}`, infos(map[string]string{adaID: `,"chan_info":{"name":"Ada"}`, bobID: ""}))
		hubtest.Eventually(t, hubtest.Patience, func() bool {
			bob.say(`{"id":3,"presence":{"channel":"chat"}}`)
			return bob.hear() == want
		}, "both are present for the client: "+want)
		bob.say(`{"id":4,"presence_stats":{"channel":"chat"}}`)
		bob.wants(`{"id":4,"presence_stats":{"num_clients":2,"num_users":1}}`)

		got := servers[0].api(t, "presence", `{"channel":"chat"}`)
		wantAPI := map[string]any{"presence": map[string]any{
			adaID: map[string]any{"user": "", "client": adaID, "chan_info": map[string]any{"name": "Ada"}},
			bobID: map[string]any{"user": "", "client": bobID},
		}}
		if diff := cmp.Diff(wantAPI, got); diff != "" {
			t.Errorf("presence for the backend -want +got:\n%s", diff)
		}
		ada.Close()
		hubtest.Eventually(t, hubtest.Patience, func() bool {
			return cmp.Equal(last(servers).api(t, "presence_stats", `{"channel":"chat"}`), map[string]any{"num_clients": 1.0, "num_users": 1.0})
		}, "Ada has left")
	})
}

// infos is the inside of a presence result, by client ID, in the order of JSON.
func infos(more map[string]string) string {
	var parts []string
	for id, info := range more {
		parts = append(parts, fmt.Sprintf(`%q:{"user":"","client":%q%s}`, id, id, info))
	}
	if len(parts) == 2 && parts[0] > parts[1] {
		parts[0], parts[1] = parts[1], parts[0]
	}
	return strings.Join(parts, ",")
}

// TestJoinAndLeave has one client that wants to know who comes and goes, and
// others that do not.
func TestJoinAndLeave(t *testing.T) {
	onClusters(t, func(t *testing.T, servers []*testServer) {
		watcher := servers[0].dialCentrifuge(t)
		quiet, quietID := servers[0].identified(t)
		plain := servers[0].dial(t, "/ws/chat")
		watcher.say(enter(2, "chat", `"join_leave":true`))
		watcher.hear()
		quiet.say(sub(2, "chat"))
		quiet.hear()
		watcher.hearUntil(func(text string) bool { return strings.Contains(text, `"join":`) && strings.Contains(text, quietID) }, "join of the quiet client")

		ada, id := last(servers).identified(t)
		ada.say(enter(2, "chat", `"join_leave":true,"data":{"name":"Ada"}`))
		ada.hear()
		info := fmt.Sprintf(`{"info":{"user":"","client":%q,"chan_info":{"name":"Ada"}}}`, id)
		watcher.wants(`{"push":{"channel":"chat","join":` + info + `}}`)
		ada.say(`{"id":3,"unsubscribe":{"channel":"chat"}}`)
		ada.wants(`{"id":3,"unsubscribe":{}}`) // and not her own join before it
		watcher.wants(`{"push":{"channel":"chat","leave":` + info + `}}`)

		servers[0].publish(t, "chat", `"end"`)
		quiet.wants(`{"push":{"channel":"chat","pub":{"data":"end","offset":1}}}`)
		watcher.wants(`{"push":{"channel":"chat","pub":{"data":"end","offset":1}}}`)
		if got := plain.hear(); got != "end" {
			t.Errorf("the raw client heard %q", got)
		}
	})
}

// TestChanInfo says who clients are, where they may say so.
func TestChanInfo(t *testing.T) {
	s := newCluster(t, []hub.Broker{hub.NewMemoryBroker()})[0]
	name := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	cases := []struct{ name, channel, data, want string }{
		{"an object", "chat", `{"name": "Ada"}`, `"chan_info":{"name":"Ada"}`},
		{"the longest", "chat", name(1024), `"chan_info":` + name(1024)},
		{"too long", "chat", name(1025), `{"id":2,"error":{"code":107,"message":"data: it has 1025 bytes, at most 1024 are accepted"}}`},
		{"where clients may not publish", "room", `{"name":"the president"}`, ""},
		{"too long where it is ignored", "room", name(1025), ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, id := s.identified(t)
			c.say(enter(2, tc.channel, `"data":`+tc.data))
			if strings.HasPrefix(tc.want, "{") {
				c.wants(tc.want)
				return
			}
			c.hear()
			presence := s.api(t, "presence", fmt.Sprintf(`{"channel":%q}`, tc.channel))["presence"].(map[string]any)
			if _, has := presence[id].(map[string]any)["chan_info"]; has != (tc.want != "") {
				t.Errorf("presence: %v, want a chan_info: %t", presence[id], tc.want != "")
			}
			if tc.want == "" {
				return
			}
			c.say(`{"id":3,"publish":{"channel":"chat","data":1}}`)
			heard := c.hear() + c.hear() // the message and the answer, in either order
			if info := fmt.Sprintf(`"info":{"user":"","client":%q,%s}`, id, tc.want); !strings.Contains(heard, info) {
				t.Errorf("published as %.200s\nwant %.200s", heard, info)
			}
		})
	}
}

// TestPresenceIsBounded has more on a channel than an answer may bring: all are named,
// and of some the infos are left out. When there is no room even for the names they
// are only counted.
func TestPresenceIsBounded(t *testing.T) {
	s := newCluster(t, []hub.Broker{hub.NewMemoryBroker()}, func(o *web.Options) { o.Limits.Buffer = 64 << 10 })[0]
	who := `"data":"` + strings.Repeat("x", 1000) + `"`
	var c *client
	come := func(n int) {
		for range n {
			c = s.dialCentrifuge(t)
			c.say(enter(2, "chat", who))
			c.hear()
		}
	}
	come(64)
	c.say(`{"id":3,"presence":{"channel":"chat"}}`)
	got := c.hear()
	var r struct {
		Presence struct {
			Presence    map[string]struct{ Client, ChanInfo string }
			WithoutInfo int `json:"without_info"`
		}
	}
	if err := json.Unmarshal([]byte(got), &r); err != nil || len(got) > 17<<10 || len(r.Presence.Presence) != 64 ||
		r.Presence.WithoutInfo+strings.Count(got, "chan_info") != 64 || r.Presence.WithoutInfo > 60 {
		t.Errorf("presence: %d bytes, %d are named, %d without info (%v)", len(got), len(r.Presence.Presence), r.Presence.WithoutInfo, err)
	}
	if got := s.api(t, "presence", `{"channel":"chat"}`); got["without_info"] != nil || len(got["presence"].(map[string]any)) != 64 {
		t.Errorf("for the backend %d are named, %v without info", len(got["presence"].(map[string]any)), got["without_info"])
	}
	come(100)
	c.say(`{"id":3,"presence":{"channel":"chat"}}`)
	if got := c.hear(); !strings.Contains(got, `"code":106,`) || !strings.Contains(got, "limits.buffer") {
		t.Errorf("presence: got %.200s, want error 106 that names limits.buffer", got)
	}
	c.say(`{"id":4,"presence_stats":{"channel":"chat"}}`)
	c.wants(`{"id":4,"presence_stats":{"num_clients":164,"num_users":1}}`)
}
