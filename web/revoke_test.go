package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
	"belfry/web"
)

// tries connects with a token and returns the reply, or the code that it is closed with.
func (s *testServer) tries(t testing.TB, token string) string {
	t.Helper()
	c := s.dial(t, "/connection/websocket")
	defer c.Close()
	c.say(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token))
	_ = c.SetReadDeadline(time.Now().Add(hubtest.Patience))
	_, text, err := c.ReadMessage()
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// takes has every node take a token, or refuse it with a text.
func takes(t *testing.T, servers []*testServer, token, refusal string) {
	t.Helper()
	for i, s := range servers {
		if got := s.tries(t, token); refusal == "" && !strings.Contains(got, `"client"`) || !strings.Contains(got, refusal) {
			t.Errorf("node %d answers %s; want it refused with %q", i, got, refusal)
		}
	}
}

// TestBlockUser blocks a user and lets it in again: over every protocol, on all nodes.
func TestBlockUser(t *testing.T) {
	onUserClusters(t, func(t *testing.T, servers []*testServer) {
		first, second := servers[0], last(servers)
		ada, _ := first.user(t, "ada", nil)
		other, _ := second.user(t, "ada", nil)
		ben, _ := second.user(t, "ben", nil)
		token := tokenFor(t, "ada", nil)
		raw := second.dial(t, "/ws/news?token="+token)
		polled := make(chan int, 1)
		go func() {
			status, _ := second.shows(t, "GET", "/events?channel=off", []string{"Authorization: Bearer " + token, "Accept: application/json"})
			polled <- status
		}()
		hubtest.Eventually(t, hubtest.Patience, func() bool { return second.hub.Channels("off")["off"] == 1 }, "a poll waits")
		first.api(t, "block_user", `{"user":"ada"}`)
		for _, c := range []*client{ada, other} {
			if code, reason := c.closed(); code != 3503 || reason != "force disconnect" {
				t.Errorf("closed with %d %s", code, reason)
			}
		}
		if code, _ := raw.closed(); code != 1008 {
			t.Errorf("the raw socket is closed with %d", code)
		}
		if status := <-polled; status != http.StatusOK {
			t.Errorf("the poll is answered with %d", status)
		}
		takes(t, servers, token, `"code":103`)
		if log := second.log.String(); !strings.Contains(log, `user \"ada\" is blocked`) {
			t.Errorf("the log does not say who is blocked:\n%s", log)
		}
		for _, header := range []string{"Accept: application/json", "Accept: text/event-stream"} {
			if status, _ := second.shows(t, "GET", "/events?channel=news", []string{"Authorization: Bearer " + token, header}); status != http.StatusForbidden {
				t.Errorf("events with %s: %d", header, status)
			}
		}
		takes(t, servers, tokenFor(t, "ben", nil), "")
		second.api(t, "unblock_user", `{"user":"ada"}`)
		takes(t, servers, token, "")
		ben.say(`{"id":2,"ping":{}}`)
		ben.wants(`{"id":2,"ping":{}}`)
	})
}

// TestRevokeToken takes back one token, and all of a user that were issued before.
func TestRevokeToken(t *testing.T) {
	onUserClusters(t, func(t *testing.T, servers []*testServer) {
		first, second := servers[0], last(servers)
		now := time.Now().Unix()
		one, two := jwt.MapClaims{"jti": "one", "iat": now - 20}, jwt.MapClaims{"jti": "two", "iat": now}
		ada, _ := second.user(t, "ada", one)
		nobody, _ := second.user(t, "", jwt.MapClaims{"jti": "one"})
		stays, _ := second.user(t, "ada", two)
		ageless, _ := second.user(t, "ada", nil)
		first.api(t, "revoke_token", `{"uid":"one"}`)
		for _, c := range []*client{ada, nobody} {
			if code, reason := c.closed(); code != 3500 || reason != "invalid token" {
				t.Errorf("closed with %d %s", code, reason)
			}
		}
		takes(t, servers, tokenFor(t, "ada", one), "3500")
		takes(t, servers, tokenFor(t, "ada", jwt.MapClaims{"iat": now - 10}), "")
		stays.say(fmt.Sprintf(`{"id":2,"subscribe":{"channel":"news","token":%q}}`, tokenFor(t, "ada", jwt.MapClaims{"channel": "news", "jti": "one"})))
		stays.wants(`{"id":2,"error":{"code":103,"message":"invalid token"}}`)
		stays.say(fmt.Sprintf(`{"id":4,"subscribe":{"channel":"off","token":%q}}`, tokenFor(t, "ada", jwt.MapClaims{"channel": "off", "jti": "three", "iat": now})))
		if reply := stays.hear(); !strings.Contains(reply, `"subscribe":{`) {
			t.Errorf("subscribed: %s", reply)
		}
		first.api(t, "revoke_token", `{"uid":"three"}`)
		stays.wants(`{"push":{"channel":"off","unsubscribe":{"code":2501,"reason":"subscription expired"}}}`)
		first.api(t, "invalidate_user_tokens", fmt.Sprintf(`{"user":"ada","issued_before":%d}`, now))
		if code, _ := ageless.closed(); code != 3500 {
			t.Errorf("closed with %d", code)
		}
		takes(t, servers, tokenFor(t, "ada", jwt.MapClaims{"iat": now - 1}), "3500")
		takes(t, servers, tokenFor(t, "ada", nil), "3500")
		takes(t, servers, tokenFor(t, "ben", nil), "")
		stays.say(fmt.Sprintf(`{"id":3,"refresh":{"token":%q}}`, tokenFor(t, "ada", one)))
		if code, _ := stays.closed(); code != 3500 {
			t.Errorf("refreshed with a token that is revoked, closed with %d", code)
		}
	})
}

// TestRevokedUntil lets a user in when the time is over for which it is blocked.
func TestRevokedUntil(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withUsers)
	s.api(t, "block_user", fmt.Sprintf(`{"user":"ada","expire_at":%d}`, time.Now().Unix()+1))
	hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.Contains(s.tries(t, tokenFor(t, "ada", nil)), `"client"`) }, "the time is over")
}

// TestRevocationsLimit takes back as much as may be, and no more.
func TestRevocationsLimit(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) {
		withUsers(o)
		o.Limits.Revocations = 2
	})
	for i, want := range []int{200, 200, 429, 200} {
		user := []string{"a", "b", "c", "a"}[i]
		if status, answer := s.call(t, "/api/block_user", fmt.Sprintf(`{"user":%q}`, user), "X-API-Key", testKey); status != want {
			t.Errorf("block of %s: %d %v", user, status, answer)
		} else if want == 429 && !strings.Contains(fmt.Sprint(answer), "limits.revocations") {
			t.Errorf("the limit is not named: %v", answer)
		}
	}
}

// redisNode starts a node at a Redis.
func redisNode(t *testing.T, url string) *testServer {
	t.Helper()
	b, err := redisbroker.New(redisbroker.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Broker: b, Rules: presenceRules(), CallWait: hubtest.Patience})
		withUsers(o)
	})
}

// TestRevocationsOutliveRedis takes a token back; Redis is killed, and it is refused all
// the same; Redis comes back with nothing, and a node that starts then refuses it, too.
// While Redis is away, a node that has never reached it takes no token at all.
func TestRevocationsOutliveRedis(t *testing.T) {
	t.Parallel()
	redis := hubtest.Redis(t)
	nodes := []*testServer{redisNode(t, redis.URL()), redisNode(t, redis.URL())}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return ready(nodes) }, "both nodes are ready")
	revoked, good := tokenFor(t, "ada", jwt.MapClaims{"jti": "one"}), tokenFor(t, "ada", jwt.MapClaims{"jti": "two"})
	nodes[0].api(t, "revoke_token", `{"uid":"one"}`)
	nodes[1].api(t, "block_user", `{"user":"eve"}`)
	late := redisNode(t, redis.URL())
	takes(t, []*testServer{late}, revoked, "3500")

	redis.Stop()
	takes(t, nodes, revoked, "3500")
	takes(t, nodes, tokenFor(t, "eve", nil), `"code":103`)
	takes(t, nodes, good, "")
	if status, answer := nodes[0].call(t, "/api/block_user", `{"user":"ada"}`, "X-API-Key", testKey); status != http.StatusServiceUnavailable {
		t.Errorf("a block without Redis: %d %v", status, answer)
	}
	blind := redisNode(t, redis.URL())
	takes(t, []*testServer{blind}, good, `"code":100`)

	redis.Start()
	redis.Clear()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		return strings.Contains(blind.tries(t, revoked), "3500")
	}, "who has not known of it reads what the others give back")
	takes(t, append(nodes, blind, late), revoked, "3500")
	takes(t, append(nodes, blind, late), tokenFor(t, "eve", nil), `"code":103`)
	hubtest.Eventually(t, hubtest.Patience, func() bool { return ready(append(nodes, blind, late)) }, "all nodes are ready")
	takes(t, append(nodes, blind, late), good, "")
}
