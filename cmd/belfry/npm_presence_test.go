package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// npmPresenceRules are those of npmRules, with presence, and a channel to which
// every client is subscribed by the server.
const npmPresenceRules = `channels:
  - {match: "here*", publish: [server, client], history: {size: 100}, presence: true}
  - {match: "*", publish: [server], history: {size: 100}}
` + npmServerSide

// npmServerSide makes the server subscribe every client to the channel town.
const npmServerSide = `connect: {subscribe: [town]}
`

// TestCentrifugePresenceFromNPM lets the published client library ask who is
// here, and be subscribed, unsubscribed and sent away by the server.
func TestCentrifugePresenceFromNPM(t *testing.T) {
	t.Parallel()
	c := startCluster(t, npmPresenceRules)
	eachPlatform(t, c, []npmCase{
		{"presence over two nodes", testNPMPresence},
		{"join and leave", testNPMJoinLeave},
		{"subscribed on connecting", testNPMServerSide},
		{"subscribed by the API", testNPMSubscribedByAPI},
		{"unsubscribed by the API", testNPMUnsubscribedByAPI},
		{"disconnected by the API", testNPMDisconnectedByAPI},
	})
}

// resident opens a client that is subscribed to a channel with presence and was
// subscribed to another by the server.
func (c *npmCluster) resident(t *testing.T, addr, channel string, options ...any) *remote {
	t.Helper()
	r := newRemote(t, c.open, "ws://"+addr+"/connection/websocket")
	r.must("", "connect")
	r.hear("connecting 0 connect called", "connected")
	r.hearOf("subscribed", "town")
	r.subscribe(channel, options...)
	r.hearOf("subscribing", channel)
	r.hearOf("subscribed", channel)
	return r
}

// hearOf wants the next event to be of a kind and a channel. Joins of the client
// itself are passed over: servers differ in whether they tell.
func (r *remote) hearOf(kind, channel string) remoteEvent {
	r.t.Helper()
	for {
		e := r.event(kind + " of " + channel)
		if e.Event == "join" && e.Detail.Info != nil && e.Detail.Info.Client == r.id {
			continue
		}
		if e.Event != kind || e.Channel != channel {
			r.t.Fatalf("%s of %q, want %s of %q", e, e.Channel, kind, channel)
		}
		return e
	}
}

// wantPresent wants a client to see these clients in a channel, and as many.
func (r *remote) wantPresent(channel string, want ...string) {
	r.t.Helper()
	var presence struct {
		Clients map[string]struct{ Client string }
	}
	unmarshal(r.t, r.must(channel, "presence"), &presence)
	got := slices.Sorted(maps.Keys(presence.Clients))
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("present (-want +got):\n%s", diff)
	}
	for id, info := range presence.Clients {
		if info.Client != id {
			r.t.Errorf("client %q is present as %q", id, info.Client)
		}
	}
	var stats struct{ NumClients, NumUsers int }
	unmarshal(r.t, r.must(channel, "presenceStats"), &stats)
	if stats.NumClients != len(want) || stats.NumUsers < 1 || stats.NumUsers > len(want) {
		r.t.Errorf("presence stats %+v, want %d clients", stats, len(want))
	}
}

// testNPMPresence has clients on two nodes see one another.
func testNPMPresence(t *testing.T, c *npmCluster) {
	here := channel(t, "here")
	other := c.start(t, "127.0.0.1:0")
	// Join and leave tell when the other node has heard of it.
	a := c.resident(t, c.node.host(), here, map[string]any{"joinLeave": true})
	a.wantPresent(here, a.id)
	b := c.resident(t, other.host(), here)
	a.hearOf("join", here)
	a.wantPresent(here, a.id, b.id)
	b.wantPresent(here, a.id, b.id)
	b.must(here, "unsubscribe")
	a.hearOf("leave", here)
	a.wantPresent(here, a.id)
	for _, method := range []string{"presence", "presenceStats"} {
		if _, err := b.call("", method, here); err == nil || err.Code != 103 {
			t.Errorf("%s from outside: got %+v, want error 103", method, err)
		}
		if _, err := b.call("", method, "town"); err == nil || err.Code != 103 && err.Code != 108 {
			t.Errorf("%s where there is none: got %+v, want error 108", method, err)
		}
	}
}

// testNPMJoinLeave tells who comes and goes, to those who asked for it.
func testNPMJoinLeave(t *testing.T, c *npmCluster) {
	here := channel(t, "here")
	curious := c.resident(t, c.node.host(), here, map[string]any{"joinLeave": true})
	quiet := c.resident(t, c.node.host(), here)
	if e := curious.hearOf("join", here); e.Detail.Info == nil || e.Detail.Info.Client != quiet.id {
		t.Errorf("%+v joins, want %s", e.Detail.Info, quiet.id)
	}
	guest := c.resident(t, c.node.host(), here)
	curious.hearOf("join", here)
	guest.must("", "disconnect")
	if e := curious.hearOf("leave", here); e.Detail.Info == nil || e.Detail.Info.Client != guest.id {
		t.Errorf("%+v leaves, want %s", e.Detail.Info, guest.id)
	}
	c.node.publish(t, here, 1)
	curious.hear("1: 1")
	quiet.hear("1: 1") // and nothing of the guest
}

// testNPMServerSide lets the server choose the channels, in which the client
// recovers too.
func testNPMServerSide(t *testing.T, c *npmCluster) {
	own := startCluster(t, npmPresenceRules) // everybody hears what is said in town
	addr := quietAddr(t)
	mine := own.start(t, addr)
	r := newRemote(t, c.open, "ws://"+addr+"/connection/websocket")
	r.must("", "connect")
	r.hear("connecting 0 connect called", "connected", "subscribed at 0")
	own.node.publish(t, "town", 1)
	if e := r.hear("1: 1")[0]; e.Channel != "town" {
		t.Errorf("the message is of channel %q, want town", e.Channel)
	}
	mine.kill()
	r.hearOf("subscribing", "town")
	r.hear("connecting 1 transport closed")
	own.node.publish(t, "town", 2, 3)
	own.start(t, addr)
	r.hear("connected", "recovered from 1", "2: 2", "3: 3")
}

// testNPMSubscribedByAPI subscribes a connected client to one more channel.
func testNPMSubscribedByAPI(t *testing.T, c *npmCluster) {
	more, here := channel(t, "more"), channel(t, "here")
	r := c.resident(t, c.node.host(), here)
	which := map[string]any{"client": r.id, "user": "", "channel": more}
	c.node.call(t, "subscribe", which)
	r.hearOf("subscribed", more)
	c.node.publish(t, more, 1)
	r.hear("1: 1")
	c.node.call(t, "unsubscribe", which)
	r.hearOf("unsubscribed", more)
}

// testNPMUnsubscribedByAPI ends a subscription of the client's for good.
func testNPMUnsubscribedByAPI(t *testing.T, c *npmCluster) {
	here := channel(t, "here")
	r := c.resident(t, c.node.host(), here)
	c.node.call(t, "unsubscribe", map[string]any{"client": r.id, "user": "", "channel": here})
	if e := r.hearOf("unsubscribed", here); e.Detail.Code != 2000 {
		t.Errorf("%s, want code 2000", e)
	}
}

// testNPMDisconnectedByAPI sends clients away, for a while or for good.
func testNPMDisconnectedByAPI(t *testing.T, c *npmCluster) {
	here := channel(t, "here")
	r := c.resident(t, c.node.host(), here)
	again := map[string]any{"code": 4000, "reason": "come back"}
	c.node.call(t, "disconnect", map[string]any{"client": r.id, "user": "", "disconnect": again})
	r.hearOf("subscribing", here)
	r.hearOf("subscribing", "town")
	r.hear("connecting 4000 come back", "connected")
	r.hearOf("subscribed", "town")
	r.hearOf("subscribed", here)
	c.node.call(t, "disconnect", map[string]any{"client": r.id, "user": ""})
	r.hearOf("subscribing", here)
	r.hearOf("subscribing", "town")
	if e := r.hearOf("disconnected", ""); e.Detail.Code != 3503 {
		t.Errorf("%s, want code 3503", e)
	}
}
