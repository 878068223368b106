package web_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
	"belfry/web"
)

// onClusters runs a test over clusters of every kind. The changes are those of
// newCluster.
func onClusters(t *testing.T, test func(*testing.T, []*testServer), change ...func(*web.Options)) {
	for name, brokers := range map[string]func(*testing.T) []hub.Broker{
		"one node":   func(*testing.T) []hub.Broker { return []hub.Broker{hub.NewMemoryBroker()} },
		"one memory": func(*testing.T) []hub.Broker { return newMembers(2) },
		"Redis":      func(t *testing.T) []hub.Broker { return redisBrokers(t, 2) },
	} {
		t.Run(name, func(t *testing.T) { test(t, newCluster(t, brokers(t), change...)) })
	}
}

// presenceRules let clients publish on chat channels, where they are present, and
// only the backend elsewhere. Channels that begin with "off" remember nothing.
func presenceRules() hub.Rules {
	return hub.Rules{
		{Match: "chat*", ServerPublish: true, ClientPublish: true, History: hub.History{Size: 10}, Presence: true},
		{Match: "room*", ServerPublish: true, Presence: true},
		{Match: "off*", ServerPublish: true},
		{Match: "shut"},
		{Match: "news*", ServerPublish: true, History: hub.History{Size: 10}},
	}
}

// newCluster starts a server for each broker. The change, if there is one, is
// made to the options of each.
func newCluster(t *testing.T, brokers []hub.Broker, change ...func(*web.Options)) []*testServer {
	t.Helper()
	servers := make([]*testServer, len(brokers))
	for i, b := range brokers {
		servers[i] = newTestServer(t, func(o *web.Options) {
			o.Name = fmt.Sprintf("node-%d", i)
			o.Hub = hub.New(hub.Options{Broker: b, Rules: presenceRules(), CallWait: hubtest.Patience})
			for _, f := range change {
				f(o)
			}
		})
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return ready(servers) }, "all nodes are ready")
	return servers
}

// ready reports whether every node hears of every other. What is lost on the way is
// asked for again.
func ready(servers []*testServer) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, s := range servers {
		answers, err := s.hub.CallAll(ctx, "node.info", []byte("{}"))
		if err != nil || len(answers) != len(servers) {
			return false
		}
	}
	return true
}

func redisBrokers(t *testing.T, n int) []hub.Broker {
	url := hubtest.Redis(t).URL()
	brokers := make([]hub.Broker, n)
	for i := range brokers {
		b, err := redisbroker.New(redisbroker.Options{URL: url, Timeout: hubtest.Patience})
		if err != nil {
			t.Fatal(err)
		}
		brokers[i] = b
	}
	return brokers
}

// memoryCluster lets several hubs share one memory broker, as if they were nodes.
type memoryCluster struct {
	*hub.MemoryBroker

	mu      sync.Mutex // guards what follows
	members []*member
}

// member is the broker of one of the hubs.
type member struct {
	*memoryCluster
	handler hub.Handler
	first   bool // runs the broker
}

func newMembers(n int) []hub.Broker {
	c := &memoryCluster{MemoryBroker: hub.NewMemoryBroker()}
	c.MemoryBroker.Attach(c)
	brokers := make([]hub.Broker, n)
	for i := range brokers {
		m := &member{memoryCluster: c, first: i == 0}
		c.members = append(c.members, m)
		brokers[i] = m
	}
	return brokers
}

func (m *member) Attach(h hub.Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handler = h
}

func (m *member) Run(ctx context.Context) error {
	if m.first {
		return m.MemoryBroker.Run(ctx)
	}
	<-ctx.Done()
	return nil
}

// die has a node hear nothing and say nothing from now on.
func (m *member) die() { m.Attach(nil) }

func (m *member) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.handler == nil
}

func (m *member) Signal(_ context.Context, node string, data []byte) (reached int, err error) {
	if m.isDead() {
		return 0, nil
	}
	for _, h := range m.handlers() {
		if node == "" || node == h.Node() {
			h.HandleSignal(data)
			reached++
		}
	}
	return reached, nil
}

func (c *memoryCluster) handlers() (all []hub.Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if m.handler != nil {
			all = append(all, m.handler)
		}
	}
	return all
}

// Node implements [hub.Handler], as do the next three.
func (c *memoryCluster) Node() string { return "all" }

func (c *memoryCluster) HandleMessage(channel string, m *hub.Message) {
	for _, h := range c.handlers() {
		h.HandleMessage(channel, m)
	}
}

func (c *memoryCluster) HandleGap(channels []string) {}

// HandleDoubt implements [hub.Handler].
func (c *memoryCluster) HandleDoubt(channels []string) {}
func (c *memoryCluster) HandleSignal([]byte)           {}

// last returns the last server of a cluster: another one than the first, where
// there is another.
func last(servers []*testServer) *testServer { return servers[len(servers)-1] }

// api makes a call with the key and returns the result, or fails the test.
func (s *testServer) api(t testing.TB, method, body string) map[string]any {
	t.Helper()
	status, answer := s.insist(t, method, body)
	result, ok := answer["result"].(map[string]any)
	if status != 200 || !ok {
		t.Fatalf("%s %s: %d %v", method, body, status, answer)
	}
	return result
}

// identified opens a Centrifuge connection and returns its client ID too.
func (s *testServer) identified(t testing.TB) (*client, string) {
	t.Helper()
	c := s.dial(t, "/connection/websocket")
	c.say(connect)
	_, rest, ok := strings.Cut(c.hear(), `{"client":"`)
	id, _, _ := strings.Cut(rest, `"`)
	if !ok || id == "" {
		t.Fatal("connected without a client ID")
	}
	return c, id
}

// wants hears texts, one after the other. EPOCH in them stands for any epoch.
func (c *client) wants(texts ...string) {
	c.t.Helper()
	for _, want := range texts {
		if got := hideEpoch(c.hear()); got != want {
			c.t.Errorf("heard %s\n wanted %s", got, want)
		}
	}
}

// hideEpoch puts EPOCH in the place of every epoch.
func hideEpoch(text string) string {
	parts := strings.Split(text, `"epoch":"`)
	for i, part := range parts[1:] {
		_, rest, _ := strings.Cut(part, `"`)
		parts[i+1] = `EPOCH"` + rest
	}
	return strings.Join(parts, `"epoch":"`)
}

// TestMemoryCluster checks the cluster of these tests itself.
func TestMemoryCluster(t *testing.T) {
	servers := newCluster(t, newMembers(3))
	c := servers[2].dial(t, "/ws/news")
	servers[0].publish(t, "news", `"over there"`)
	if got := c.hear(); got != "over there" {
		t.Errorf("heard %q", got)
	}
	answers, err := servers[1].hub.CallAll(t.Context(), "node.info", []byte("{}"))
	var nodes []string
	for _, a := range answers {
		nodes = append(nodes, a.Node)
	}
	slices.Sort(nodes)
	if err != nil || len(slices.Compact(nodes)) != 3 {
		t.Errorf("CallAll: %v, %v; want three nodes", nodes, err)
	}
}

// newTestServerOn starts one server on a broker, whatever that says.
func newTestServerOn(t *testing.T, b hub.Broker) *testServer {
	t.Helper()
	return newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Broker: b, Rules: presenceRules(), CallWait: hubtest.Patience})
	})
}
