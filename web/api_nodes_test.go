package web_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

func TestAPIChannels(t *testing.T) {
	onClusters(t, func(t *testing.T, servers []*testServer) {
		for i, s := range servers {
			c := s.dialCentrifuge(t)
			c.say(sub(2, "news") + sub(3, fmt.Sprintf("off:%d", i)))
			c.hear()
		}
		only := map[string]any{"num_clients": 1.0}
		all := map[string]any{"num_clients": float64(len(servers))}
		cases := []struct {
			body string
			want map[string]any
		}{
			{`{"pattern":"news"}`, map[string]any{"news": all}},
			{`{"pattern":"*:0"}`, map[string]any{"off:0": only}},
			{`{"pattern":"nothing*"}`, map[string]any{}},
		}
		for _, tc := range cases {
			if diff := cmp.Diff(map[string]any{"channels": tc.want}, last(servers).api(t, "channels", tc.body)); diff != "" {
				t.Errorf("channels %s -want +got:\n%s", tc.body, diff)
			}
		}
		if got := servers[0].api(t, "channels", `{}`)["channels"].(map[string]any); len(got) != 1+len(servers) {
			t.Errorf("all channels: %v", got)
		}
	})
}

func TestAPIInfo(t *testing.T) {
	onClusters(t, func(t *testing.T, servers []*testServer) {
		c := servers[0].dialCentrifuge(t)
		c.say(sub(2, "news") + sub(3, "off"))
		c.hear()
		other := servers[0].dialCentrifuge(t)
		other.say(sub(2, "news"))
		other.hear()
		nodes := last(servers).api(t, "info", `{}`)["nodes"].([]any)
		if len(nodes) != len(servers) {
			t.Fatalf("%d nodes, want %d: %v", len(nodes), len(servers), nodes)
		}
		for i, s := range servers {
			node := nodes[i].(map[string]any)
			delete(node, "uptime")
			want := map[string]any{"uid": s.hub.Node(), "name": fmt.Sprintf("node-%d", i), "version": "test",
				"num_clients": 0.0, "num_users": 0.0, "num_channels": 0.0, "num_subs": 0.0}
			if i == 0 {
				want["num_clients"], want["num_users"], want["num_channels"], want["num_subs"] = 2.0, 1.0, 2.0, 3.0
			}
			if diff := cmp.Diff(want, node); diff != "" {
				t.Errorf("node %d -want +got:\n%s", i, diff)
			}
		}
	})
}

// silentBroker reaches one node more than there are.
type silentBroker struct{ *hub.MemoryBroker }

func (b silentBroker) Signal(ctx context.Context, node string, data []byte) (int, error) {
	reached, err := b.MemoryBroker.Signal(ctx, node, data)
	if node == "" {
		reached++
	}
	return reached, err
}

// cutBroker cannot signal at all.
type cutBroker struct{ *hub.MemoryBroker }

func (cutBroker) Signal(context.Context, string, []byte) (int, error) {
	return 0, fmt.Errorf("%w: secret detail", hub.ErrUnavailable)
}

// TestNodeDoesNotAnswer wants no half truth.
func TestNodeDoesNotAnswer(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"channels": `{}`, "info": `{}`, "subscribe": `{"client":"c","channel":"news"}`,
		"unsubscribe": `{"client":"c","channel":"news"}`, "disconnect": `{"client":"c"}`,
	}
	for name, broker := range map[string]hub.Broker{
		"a node has not answered in time":    silentBroker{hub.NewMemoryBroker()},
		"the broker is away, and the nodes ": cutBroker{hub.NewMemoryBroker()},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, func(o *web.Options) { o.Hub = hub.New(hub.Options{Broker: broker, Rules: presenceRules()}) })
			for method, body := range bodies {
				t.Run(method, func(t *testing.T) {
					t.Parallel()
					status, answer := s.call(t, "/api/"+method, body, "X-API-Key", testKey)
					if got := fmt.Sprint(answer); status != 503 || !strings.Contains(got, name) || strings.Contains(got, "secret") || answer["result"] != nil {
						t.Errorf("got %d %s, want 503 with %q", status, got, name)
					}
				})
			}
		})
	}
}

// TestTooManyChannels has more to say than one node may.
func TestTooManyChannels(t *testing.T) {
	t.Parallel()
	s := newTestServerOn(t, hub.NewMemoryBroker())
	n := 0
	for range 30 {
		c := s.dialCentrifuge(t)
		var commands strings.Builder
		for range 100 {
			commands.WriteString(sub(n+2, fmt.Sprintf("off%d:%s", n, strings.Repeat("x", 240))))
			n++
		}
		c.say(commands.String())
		c.hearUntil(func(text string) bool { return strings.Contains(text, fmt.Sprintf(`"id":%d,"subscribe"`, n+1)) }, "answer")
	}
	var status int
	var answer map[string]any
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		status, answer = s.call(t, "/api/channels", `{}`, "X-API-Key", testKey)
		return status != 503 // a busy machine
	}, "the node answers")
	if got := fmt.Sprint(answer); status != 400 || !strings.Contains(got, "code:106") || !strings.Contains(got, "narrower pattern") {
		t.Errorf("got %d %.300s, want error 106 that says what helps", status, got)
	}
	if got := s.api(t, "channels", `{"pattern":"off2*"}`)["channels"].(map[string]any); len(got) != 1111 {
		t.Errorf("a narrower pattern: %d channels, want 1111", len(got))
	}
}
