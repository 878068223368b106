package web_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

// TestAPISubscribe subscribes a client of another node.
func TestAPISubscribe(t *testing.T) {
	onClusters(t, func(t *testing.T, servers []*testServer) {
		first := servers[0]
		for i := range 3 {
			first.publish(t, "news", fmt.Sprint(i+1))
		}
		c, id := last(servers).identified(t)
		epoch := first.epoch(t, "news")
		first.api(t, "subscribe", fmt.Sprintf(`{"client":%q,"channel":"news","data":{"welcome": "<you>"},"recover_since":{"offset":1,"epoch":%q}}`, id, epoch))
		c.wants(
			`{"push":{"channel":"news","subscribe":{"recoverable":true,"epoch":"EPOCH","offset":1,"positioned":true,"data":{"welcome":"<you>"}}}}`,
			`{"push":{"channel":"news","pub":{"data":2,"offset":2}}}`,
			`{"push":{"channel":"news","pub":{"data":3,"offset":3}}}`)
		first.api(t, "subscribe", fmt.Sprintf(`{"client":%q,"channel":"news"}`, id)) // again: nothing happens
		first.publish(t, "news", "4")
		c.wants(`{"push":{"channel":"news","pub":{"data":4,"offset":4}}}`)

		first.api(t, "subscribe", fmt.Sprintf(`{"client":%q,"channel":"chat","b64info":"eyJyb2xlIjogImJvdCJ9"}`, id))
		c.wants(`{"push":{"channel":"chat","subscribe":{"recoverable":true,"epoch":"EPOCH","positioned":true}}}`)
		presence := fmt.Sprint(first.api(t, "presence", `{"channel":"chat"}`))
		if want := fmt.Sprintf("map[presence:map[%s:map[chan_info:map[role:bot] client:%s user:]]]", id, id); presence != want {
			t.Errorf("presence: %s, want %s", presence, want)
		}

		first.api(t, "unsubscribe", fmt.Sprintf(`{"client":%q,"channel":"news"}`, id))
		c.wants(`{"push":{"channel":"news","unsubscribe":{"code":2000,"reason":"unsubscribed by the server"}}}`)
		first.api(t, "unsubscribe", fmt.Sprintf(`{"client":%q,"channel":"news"}`, id)) // again: nothing happens
		first.publish(t, "news", "5")
		first.publish(t, "chat", "6")
		c.wants(`{"push":{"channel":"chat","pub":{"data":6,"offset":1}}}`)
	})
}

// TestAPIUnsubscribeOfAClientsOwn ends what the client itself has begun.
func TestAPIUnsubscribeOfAClientsOwn(t *testing.T) {
	s := newCluster(t, []hub.Broker{hub.NewMemoryBroker()})[0]
	c, id := s.identified(t)
	c.say(sub(2, "news"))
	c.hear()
	s.api(t, "unsubscribe", fmt.Sprintf(`{"client":%q,"channel":"news"}`, id))
	c.wants(`{"push":{"channel":"news","unsubscribe":{"code":2000,"reason":"unsubscribed by the server"}}}`)
	c.say(sub(3, "news"))
	c.wants(`{"id":3,"subscribe":{"recoverable":true,"epoch":"EPOCH","positioned":true}}`)
}

func TestAPIDisconnect(t *testing.T) {
	cases := []struct {
		name, path, more string
		code             int
		reason           string
	}{
		{"Centrifuge", "/connection/websocket", ``, 3503, "force disconnect"},
		{"Centrifuge, come back", "/connection/websocket", `,"disconnect":{"code":4000,"reason":"later"}`, 4000, "later"},
		{"no reason", "/connection/websocket", `,"disconnect":{"code":4999}`, 4999, ""},
		{"raw", "/ws/chat", ``, 1008, "closed by the server"},
		{"raw with a code", "/ws/chat", `,"disconnect":{"code":3000,"reason":"` + strings.Repeat("é", 61) + `"}`, 3000, strings.Repeat("é", 61)},
		{"the whitelist is about others", "/ws/chat", `,"whitelist":["nobody"]`, 1008, "closed by the server"},
	}
	onClusters(t, func(t *testing.T, servers []*testServer) {
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				c := last(servers).dial(t, tc.path)
				id := c.introduce(last(servers))
				servers[0].api(t, "disconnect", fmt.Sprintf(`{"client":%q,"whitelist":[%q]}`, id, id))
				servers[0].api(t, "disconnect", fmt.Sprintf(`{"client":%q%s}`, id, tc.more))
				if code, reason := c.closed(); code != tc.code || reason != tc.reason {
					t.Errorf("closed with %d %q, want %d %q", code, reason, tc.code, tc.reason)
				}
			})
		}
	})
}

// introduce returns a client's ID, however it gets to know it.
func (c *client) introduce(s *testServer) string {
	c.t.Helper()
	c.say(connect) // to a raw channel it is a message, in which others see the ID
	var heard struct{ Connect struct{ Client string } }
	_ = json.Unmarshal([]byte(c.hear()), &heard)
	if heard.Connect.Client != "" {
		return heard.Connect.Client
	}
	// Those of before may still be leaving.
	var present map[string]any
	hubtest.Eventually(c.t, hubtest.Patience, func() bool {
		present = s.api(c.t, "presence", `{"channel":"chat"}`)["presence"].(map[string]any)
		return len(present) == 1
	}, "the client alone is present")
	return slices.Collect(maps.Keys(present))[0]
}

// TestAPIOfNobody is about clients that are not there.
func TestAPIOfNobody(t *testing.T) {
	s := newCluster(t, newMembers(2))[0]
	c := s.dialCentrifuge(t)
	for _, who := range []string{`"client":"nobody"`, `"client":"none","user":"","session":""`} {
		s.api(t, "subscribe", `{"channel":"chat",`+who+`}`)
		s.api(t, "unsubscribe", `{"channel":"chat",`+who+`}`)
		s.api(t, "disconnect", `{`+who+`}`)
	}
	c.say(`{"id":2,"ping":{}}`)
	c.wants(`{"id":2,"ping":{}}`)
}

// TestAPISubscribeBeforeConnect leaves a client alone that has not said connect.
func TestAPISubscribeBeforeConnect(t *testing.T) {
	s := newCluster(t, []hub.Broker{hub.NewMemoryBroker()}, func(o *web.Options) { o.Limits.Subscriptions = 1 })[0]
	plain := s.dial(t, "/ws/chat")
	raw := plain.introduce(s)
	s.api(t, "subscribe", fmt.Sprintf(`{"client":%q,"channel":"news"}`, raw))
	if n := s.hub.NumSubscribers("news"); n != 0 {
		t.Errorf("%d raw clients were subscribed", n)
	}
	s.api(t, "unsubscribe", fmt.Sprintf(`{"client":%q,"channel":"chat"}`, raw))
	s.publish(t, "chat", `"still here"`)
	if got := plain.hear(); got != "still here" {
		t.Errorf("raw client: %q", got)
	}
	c, id := s.identified(t)
	c.say(sub(2, "off"))
	c.hear()
	status, answer := s.call(t, "/api/subscribe", fmt.Sprintf(`{"client":%q,"channel":"news"}`, id), "X-API-Key", testKey)
	if got := fmt.Sprint(answer); status != 400 || got != "map[error:map[code:106 message:limit exceeded: limits.subscriptions]]" {
		t.Errorf("over the limit: %d %s", status, got)
	}
}

// TestAPIExclude publishes to all but one, who does not get it by recovery
// either.
func TestAPIExclude(t *testing.T) {
	onClusters(t, func(t *testing.T, servers []*testServer) {
		c, id := last(servers).identified(t)
		other := servers[0].dialCentrifuge(t)
		for _, who := range []*client{c, other} {
			who.say(sub(2, "news"))
			who.hear()
		}
		epoch := servers[0].epoch(t, "news")
		servers[0].api(t, "publish", fmt.Sprintf(`{"channel":"news","data":1,"exclude":%q}`, id))
		servers[0].api(t, "broadcast", fmt.Sprintf(`{"channels":["news"],"data":2,"exclude":%q}`, id))
		servers[0].publish(t, "news", "3")
		c.wants(`{"push":{"channel":"news","pub":{"data":3,"offset":3}}}`)
		other.wants(`{"push":{"channel":"news","pub":{"data":1,"offset":1}}}`, `{"push":{"channel":"news","pub":{"data":2,"offset":2}}}`,
			`{"push":{"channel":"news","pub":{"data":3,"offset":3}}}`)
		c.say(`{"id":3,"unsubscribe":{"channel":"news"}}` + "\n" +
			fmt.Sprintf(`{"id":4,"subscribe":{"channel":"news","recover":true,"offset":0,"epoch":%q}}`, epoch))
		c.wants(`{"id":3,"unsubscribe":{}}` + "\n" +
			`{"id":4,"subscribe":{"recoverable":true,"epoch":"EPOCH","publications":[{"data":3,"offset":3}],"recovered":true,"positioned":true,"was_recovering":true}}`)
	})
}

// TestBackendAndClientAtOnce has a backend unsubscribe and subscribe a client
// that does the same by itself. After each round the client believes what is
// true.
func TestBackendAndClientAtOnce(t *testing.T) {
	s := newTestServerOn(t, hub.NewMemoryBroker())
	c, id := s.identified(t)
	body := fmt.Sprintf(`{"client":%q,"channel":"news"}`, id)
	busy := strings.Repeat(`{"id":2,"history":{"channel":"news","limit":1}}`+"\n", 50)
	var view clientView
	for i := range 100 {
		method := []string{"unsubscribe", "subscribe"}[i/2%2]
		var backend sync.WaitGroup
		backend.Go(func() { s.api(t, method, body) })
		c.say([]string{`{"id":1,"subscribe":{"channel":"news"}}`, `{"id":1,"unsubscribe":{"channel":"news"}}`}[i%2] + "\n" + busy)
		backend.Wait()
		c.say(`{"id":3,"ping":{}}`)
		view.hearUntil(c, 3)
		if n := s.hub.NumSubscribers("news"); n != map[bool]int{true: 1}[view.subscribed] {
			t.Fatalf("round %d: the client believes that it is subscribed: %t, and there are %d subscriptions", i, view.subscribed, n)
		}
	}
}

// clientView is what a client believes of its subscription.
type clientView struct{ subscribed bool }

// hearUntil takes note of all that comes, up to the answer with an ID.
func (v *clientView) hearUntil(c *client, id int) {
	c.t.Helper()
	for last := 0; last != id; {
		for line := range strings.Lines(c.hear()) {
			var said struct {
				ID                     int
				Subscribe, Unsubscribe *struct{}
				Push                   struct{ Subscribe, Unsubscribe *struct{} }
			}
			if err := json.Unmarshal([]byte(line), &said); err != nil {
				c.t.Fatal(err)
			}
			switch {
			case said.Subscribe != nil || said.Push.Subscribe != nil:
				v.subscribed = true
			case said.Unsubscribe != nil || said.Push.Unsubscribe != nil:
				v.subscribed = false
			}
			last = said.ID
		}
	}
}

// TestSubscribeOfAClientThatGoes leaves nothing behind, whoever is faster.
func TestSubscribeOfAClientThatGoes(t *testing.T) {
	s := newTestServerOn(t, hub.NewMemoryBroker())
	for range 50 {
		c, id := s.identified(t)
		var backend sync.WaitGroup
		backend.Go(func() { s.api(t, "subscribe", fmt.Sprintf(`{"client":%q,"channel":"chat"}`, id)) })
		c.Close()
		backend.Wait()
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.web.NumSessions()+s.hub.NumSubscribers("chat") == 0 }, "nothing is left")
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		return fmt.Sprint(s.api(t, "presence_stats", `{"channel":"chat"}`)) == "map[num_clients:0 num_users:0]"
	}, "nobody is present")
}
