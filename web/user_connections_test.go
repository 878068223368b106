package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
	"belfry/web"
)

// withTwoEach lets each user have two connections.
func withTwoEach(o *web.Options) { o.Limits.UserConnections = 2 }

// rawStatus opens a raw WebSocket of a user and returns the status of the handshake.
func (s *testServer) rawStatus(t *testing.T, user string) int {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + tokenFor(t, user, nil)}}
	c, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+"/ws/news", header)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	if response == nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// TestUserConnections counts the connections of a user over all nodes and protocols, and
// makes room for another when one has gone.
func TestUserConnections(t *testing.T) {
	onClusters(t, func(t *testing.T, servers []*testServer) {
		first, second := servers[0], last(servers)
		ada, _ := first.user(t, "ada", nil)
		if status := second.rawStatus(t, "ada"); status != http.StatusSwitchingProtocols {
			t.Fatalf("the second connection: %d", status)
		}
		takes(t, servers, tokenFor(t, "ada", nil), "3504")
		for i, s := range servers {
			if status := s.rawStatus(t, "ada"); status != http.StatusTooManyRequests {
				t.Errorf("node %d answers a raw socket with %d", i, status)
			}
		}
		takes(t, servers, tokenFor(t, "ben", nil), "")
		first.identified(t) // who is nobody in particular has no bound
		ada.say(fmt.Sprintf(`{"id":2,"refresh":{"token":%q}}`, tokenFor(t, "ada", nil)))
		if reply := ada.hear(); !strings.Contains(reply, `"refresh":{`) {
			t.Errorf("a refresh counts: %s", reply)
		}
		ada.Close()
		hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.Contains(second.tries(t, tokenFor(t, "ada", nil)), `"client"`) }, "there is room for another")
	}, withUsers, withTwoEach)
}

// TestUserConnectionsWithoutRedis bounds them at each node while Redis is away.
func TestUserConnectionsWithoutRedis(t *testing.T) {
	t.Parallel()
	redis := hubtest.Redis(t)
	b, err := redisbroker.New(redisbroker.Options{URL: redis.URL()})
	if err != nil {
		t.Fatal(err)
	}
	s := newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Broker: b, Rules: presenceRules()})
		withUsers(o)
		withTwoEach(o)
	})
	hubtest.Eventually(t, hubtest.Patience, func() bool { return ready([]*testServer{s}) }, "the node is ready")
	s.user(t, "ada", nil)
	redis.Stop()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return !ready([]*testServer{s}) }, "Redis is away")
	s.user(t, "ada", nil)
	takes(t, []*testServer{s}, tokenFor(t, "ada", nil), "3504")
}
