package main

import (
	"fmt"
	"strings"
	"testing"
)

// testNPMCalls has a client and a backend publish to one channel.
func testNPMCalls(t *testing.T, c *npmCluster) {
	long := channel(t, "long")
	r := c.follower(t, c.node.host(), long)
	wantJSON(t, "publish", r.must(long, "publish", map[string]any{"text": "ünï·çødé 🔔"}), `{}`)
	own := r.hear(`1: {"text":"ünï·çødé 🔔"}`)[0]
	if info := own.Detail.Info; info == nil || info.Client != r.id {
		t.Errorf("the client's own message comes from %+v, want from %s", info, r.id)
	}
	c.node.call(t, "publish", map[string]any{"channel": long, "data": "from the backend", "tags": map[string]string{"k": "v"}})
	if info := r.hear(`2: "from the backend"`)[0].Detail.Info; info != nil {
		t.Errorf("the backend's message comes from %+v, want nobody", info)
	}
	r.must("", "publish", long, 3) // past the subscription
	r.hear("3: 3")
	r.must(long, "unsubscribe")
	r.hear("unsubscribed 0 unsubscribe called")
	r.must("", "disconnect")
	r.hear("disconnected 0 disconnect called")
}

// testNPMHistory reads five messages in each way.
func testNPMHistory(t *testing.T, c *npmCluster) {
	short := channel(t, "short")
	r := c.follower(t, c.node.host(), short)
	c.node.publish(t, short, 1, 2, 3, 4, 5)
	r.hear(numbered(1, 5)...)
	var top struct{ Epoch string }
	unmarshal(t, r.must(short, "history"), &top)
	type options = map[string]any
	since := func(offset int) options { return options{"offset": offset, "epoch": top.Epoch} }
	for _, test := range []struct {
		name    string
		options options
		want    []int
	}{
		{"position only", options{}, nil},
		{"the first two", options{"limit": 2}, []int{1, 2}},
		{"all", options{"limit": -1}, []int{1, 2, 3, 4, 5}},
		{"the last two", options{"limit": 2, "reverse": true}, []int{5, 4}},
		{"since", options{"limit": 10, "since": since(3)}, []int{4, 5}},
		{"since, in pages", options{"limit": 2, "since": since(1)}, []int{2, 3}},
		{"since the end", options{"limit": 10, "since": since(5)}, nil},
		{"before", options{"limit": 10, "since": since(3), "reverse": true}, []int{2, 1}},
	} {
		publications := []string{}
		for _, n := range test.want {
			publications = append(publications, fmt.Sprintf(`{"channel":%q,"data":%d,"offset":%d}`, short, n, n))
		}
		want := fmt.Sprintf(`{"publications":[%s],"epoch":%q,"offset":5}`, strings.Join(publications, ","), top.Epoch)
		wantJSON(t, test.name, r.must(short, "history", test.options), want)
	}
	r.disconnect()
}

// testNPMRefusals makes calls that are refused; the client stays.
func testNPMRefusals(t *testing.T, c *npmCluster) {
	long, plain := channel(t, "long"), channel(t, "plain")
	r := c.connected(t, c.node.host())
	r.subscribe(plain)
	r.hear("subscribing 0 subscribe called", "subscribed")
	type options = map[string]any
	stale := options{"limit": 1, "since": options{"offset": 1, "epoch": "old"}}
	for _, test := range []struct {
		name, method string
		args         []any
		want         int
	}{
		{"publish where only the backend may", "publish", []any{plain, 1}, 103},
		{"history from outside", "history", []any{long, options{"limit": 1}}, 103},
		{"history where there is none", "history", []any{plain, options{"limit": 1}}, 108},
		{"rpc", "rpc", []any{"greet", nil}, 108},
	} {
		if _, err := r.call("", test.method, test.args...); err == nil || err.Code != test.want {
			t.Errorf("%s: got %+v, want error %d", test.name, err, test.want)
		}
	}
	r.must("", "send", "nobody listens")
	r.subscribe(long)
	r.hear("subscribing 0 subscribe called", "subscribed at 0")
	if _, err := r.call(long, "history", stale); err == nil || err.Code != 112 {
		t.Errorf("history since another epoch: got %+v, want error 112", err)
	}
	r.subscribe(strings.Repeat("x", 256))
	r.hear("subscribing 0 subscribe called")
	if e := r.hear("unsubscribed 107 channel: it has 256 bytes, at most 255 are accepted")[0]; len(e.Channel) != 256 {
		t.Errorf("unsubscribed from %q", e.Channel)
	}
	r.must("", "disconnect")
}

// testNPMToken shows tokens. The client does not come back with the same.
func testNPMToken(t *testing.T, c *npmCluster) {
	const refused = " 103 permission denied: tokens are not checked here, and none is accepted: leave token out"
	r := newRemote(t, c.open, `{"transports":"ws://`+c.node.host()+`/connection/websocket","options":{"token":"forged"}}`)
	r.must("", "connect")
	r.hear("connecting 0 connect called", "disconnected"+refused)
	r = c.connected(t, c.node.host())
	r.subscribe(channel(t, "plain"), map[string]string{"token": "forged"})
	r.hear("subscribing 0 subscribe called", "unsubscribed"+refused)
	r.must("", "disconnect")
}

// testNPMProtobuf speaks what is not spoken here. The client hears that, and does not
// come back.
func testNPMProtobuf(t *testing.T, c *npmCluster) {
	r := newRemote(t, c.open, `{"transports":"ws://`+c.node.host()+`/connection/websocket","options":{"protocol":"protobuf"}}`)
	r.must("", "connect")
	r.hear("connecting 0 connect called", "disconnected 3506 centrifuge-protobuf is not spoken here: have the client use JSON")
}

// testNPMOverLimit sends a message which is so long that the client must not
// send it again.
func testNPMOverLimit(t *testing.T, c *npmCluster) {
	long := channel(t, "long")
	r := c.follower(t, c.node.host(), long)
	if _, err := r.call(long, "publish", strings.Repeat("x", 65<<10)); err == nil || err.Code != 11 {
		t.Errorf("publish: got %+v, want the client's error 11, connection closed", err)
	}
	r.hear("subscribing 1 transport closed", "disconnected 3 message size limit exceeded")
}

// testNPMUnsubscribed keeps the position while the application is away.
func testNPMUnsubscribed(t *testing.T, c *npmCluster) {
	long := channel(t, "long")
	r := c.follower(t, c.node.host(), long)
	c.node.publish(t, long, 1)
	r.hear(numbered(1, 1)...)
	r.must(long, "unsubscribe")
	r.hear("unsubscribed 0 unsubscribe called")
	c.node.publish(t, long, 2, 3)
	r.must(long, "subscribe")
	r.hear("subscribing 0 subscribe called", "recovered from 1", "2: 2", "3: 3")
	c.node.publish(t, long, 4)
	r.hear(numbered(4, 4)...)
	r.disconnect()
}
