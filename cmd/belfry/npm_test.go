package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/hub/hubtest"
)

// TestCentrifugeFromNPM lets the published client library do what its users do,
// in Node and in a real browser, while servers come and go.
func TestCentrifugeFromNPM(t *testing.T) {
	t.Parallel()
	c := startCluster(t, npmRules)
	eachPlatform(t, c, []npmCase{
		{"calls", testNPMCalls},
		{"history", testNPMHistory},
		{"refusals", testNPMRefusals},
		{"a token", testNPMToken},
		{"Protobuf", testNPMProtobuf},
		{"a message over the limit", testNPMOverLimit},
		{"what was said while unsubscribed", testNPMUnsubscribed},
		{"a state from elsewhere", testNPMState},
		{"connections cut while messages come", testNPMCut},
		{"several channels", testNPMChannels},
		{"a node killed and restarted", testNPMKilled},
		{"another node in its place", testNPMFailover},
		{"a node stopped politely", testNPMStopped},
		{"a history that was removed", testNPMRemoved},
		{"a history that is too short", testNPMTrimmed},
		{"a Redis that lost everything", testNPMEmptied},
	})
}

// npmRules gives each test what it needs.
const npmRules = `channels:
  - {match: "short*", publish: [server], history: {size: 5}}
  - {match: "long*", publish: [server, client], history: {size: 10000}}
  - {match: "*", publish: [server]}
`

// npmCase is one test on one platform.
type npmCase struct {
	name string
	run  func(*testing.T, *npmCluster)
}

// eachPlatform runs tests in Node and in Chromium.
func eachPlatform(t *testing.T, c *npmCluster, cases []npmCase) {
	t.Helper()
	for name, prepare := range map[string]func(*testing.T) platform{"Node": prepareNode, "Chromium": prepareChromium} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here := *c
			here.open = prepare(t)
			for _, tc := range cases {
				t.Run(tc.name, func(t *testing.T) {
					t.Parallel()
					tc.run(t, &here)
				})
			}
		})
	}
}

// npmCluster is what nodes share, one of them, which stays, and a platform for
// clients.
type npmCluster struct {
	redis *hubtest.RedisServer
	rules string // file
	node  *node
	open  platform
}

// startCluster starts a Redis and a node with rules of channels.
func startCluster(t *testing.T, rules string) *npmCluster {
	t.Helper()
	c := &npmCluster{redis: hubtest.Redis(t), rules: filepath.Join(t.TempDir(), "belfry.yaml")}
	if err := os.WriteFile(c.rules, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	c.node = c.start(t, "127.0.0.1:0")
	return c
}

// start starts a node at an address and waits until it can publish.
func (c *npmCluster) start(t *testing.T, addr string) *node {
	t.Helper()
	environ := []string{"BELFRY_API_KEY=" + testKey, "BELFRY_POLICY_ADDR="}
	p := start(t, environ, "--config", c.rules, "--redis", c.redis.URL(), "--addr", addr)
	n := &node{p, p.says(&p.out, `(http://127\.0\.0\.1:\d+)/socketexample`)}
	n.waitFor("/readyz", http.StatusOK)
	return n
}

// channel names a channel of the test alone.
func channel(t *testing.T, kind string) string {
	return kind + ":" + strings.NewReplacer("/", ".", " ", "_").Replace(t.Name())
}

// host is host:port.
func (n *node) host() string { return strings.TrimPrefix(n.URL, "http://") }

// kill ends a node in the middle of what it does.
func (n *node) kill() {
	n.t.Helper()
	n.signal(syscall.SIGKILL)
	<-n.gone
}

// call calls the HTTP API and returns the answer's result.
func (n *node) call(t *testing.T, method string, body any) (result json.RawMessage) {
	t.Helper()
	status, text, err := api{serverURL(n.URL), testKey}.post(t.Context(), "/api/"+method, body)
	var answer struct{ Result json.RawMessage }
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil || status != http.StatusOK || answer.Result == nil {
		t.Fatalf("%s %v: %d %s %v", method, body, status, text, err)
	}
	return answer.Result
}

// publish publishes numbers as a backend does.
func (n *node) publish(t *testing.T, channel string, numbers ...int) {
	t.Helper()
	for _, number := range numbers {
		n.call(t, "publish", map[string]any{"channel": channel, "data": number})
	}
}

// follower opens a client that is connected through an address and follows a
// channel, in which nothing was said so far.
func (c *npmCluster) follower(t *testing.T, addr, channel string) *remote {
	t.Helper()
	r := c.connected(t, addr)
	r.subscribe(channel)
	r.hear("subscribing 0 subscribe called", "subscribed at 0")
	return r
}

// connected opens a client that is connected through an address.
func (c *npmCluster) connected(t *testing.T, addr string) *remote {
	t.Helper()
	r := newRemote(t, c.open, "ws://"+addr+"/connection/websocket")
	r.must("", "connect")
	r.hear("connecting 0 connect called", "connected")
	return r
}

// wantJSON compares what a call returned, but for white space.
func wantJSON(t *testing.T, what string, got json.RawMessage, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%s: %q: %v", what, got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// numbered are the events of messages whose data are their offsets.
func numbered(first, last int) (events []string) {
	for n := first; n <= last; n++ {
		events = append(events, fmt.Sprintf("%d: %d", n, n))
	}
	return events
}

func unmarshal(t *testing.T, text json.RawMessage, v any) {
	t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}
