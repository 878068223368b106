package main

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"

	"belfry/hub/hubtest"
)

// testNPMCut breaks the connection five times while a backend publishes as fast
// as it can.
func testNPMCut(t *testing.T, c *npmCluster) {
	const cuts, between = 5, 20
	long := channel(t, "long")
	proxy := hubtest.NewProxy(t, c.node.host())
	r := c.follower(t, proxy.Addr(), long)
	stop := c.node.keepPublishing(t, long)
	heard := 0
	for range cuts {
		r.hear(numbered(heard+1, heard+between)...)
		proxy.Cut()
		heard = r.hearUntil(heard+between, "subscribing 1 transport closed")
		r.hear("connecting 1 transport closed", "connected", fmt.Sprintf("recovered from %d", heard))
	}
	published := stop()
	t.Logf("%d messages, %d cuts", published, cuts)
	r.hear(numbered(heard+1, published)...)
	r.disconnect()
}

// testNPMState has an application read the state of a channel from somewhere else,
// which knows an offset and no epoch.
func testNPMState(t *testing.T, c *npmCluster) {
	long := channel(t, "long")
	r := c.connected(t, c.node.host())
	c.node.publish(t, long, 1, 2, 3)
	r.subscribe(long, map[string]any{"state": map[string]any{"offset": 2, "epoch": ""}})
	r.hear("subscribing 0 subscribe called", "recovered from 2")
	r.hear(numbered(3, 3)...)
	r.disconnect()
}

// hearUntil wants messages in order, each once, until something else comes. It
// returns the offset of the last one.
func (r *remote) hearUntil(heard int, end string) int {
	r.t.Helper()
	for {
		e := r.event(end)
		switch e.String() {
		case end:
			return heard
		case fmt.Sprintf("%d: %d", heard+1, heard+1):
			heard++
		default:
			r.t.Fatalf("after message %d comes %q, want the next or %q", heard, e, end)
		}
	}
}

// keepPublishing publishes 1, 2, 3 … until the returned function is called, which
// says how many it were.
func (n *node) keepPublishing(t *testing.T, channel string) (stop func() int) {
	t.Helper()
	quit, done := make(chan struct{}), make(chan int, 1)
	backend := api{serverURL(n.URL), testKey}
	go func() { // ends by stop, or when the test ends
		published := 0
		defer func() { done <- published; close(done) }()
		for t.Context().Err() == nil {
			select {
			case <-quit:
				return
			default:
			}
			data := json.RawMessage(fmt.Sprint(published + 1))
			if _, err := backend.publish(t.Context(), publication{Channel: channel, Data: data}); err != nil {
				return // the client will wait in vain
			}
			published++
		}
	}()
	t.Cleanup(func() { <-done })
	return func() int { close(quit); return <-done }
}

// testNPMChannels has a client come back to several channels, for which it asks
// in one frame.
func testNPMChannels(t *testing.T, c *npmCluster) {
	proxy := hubtest.NewProxy(t, c.node.host())
	r := c.connected(t, proxy.Addr())
	channels := []string{channel(t, "long-a"), channel(t, "plain"), channel(t, "long-b")}
	start := []string{"subscribed at 0", "subscribed", "subscribed at 0"}
	for i, ch := range channels {
		r.subscribe(ch)
		r.hear("subscribing 0 subscribe called", start[i])
	}
	proxy.Refuse(true)
	proxy.Cut()
	const gone = "subscribing 1 transport closed"
	r.hear(gone, gone, gone, "connecting 1 transport closed")
	for i, ch := range channels {
		c.node.publish(t, ch, i+1)
	}
	proxy.Refuse(false)
	events := r.hear("connected", "recovered from 0", "1: 1", "subscribed", "recovered from 0", "1: 3")
	for i, want := range []string{"", channels[0], channels[0], channels[1], channels[2], channels[2]} {
		if events[i].Channel != want {
			t.Errorf("%q is of channel %q, want %q", events[i], events[i].Channel, want)
		}
	}
}

// testNPMKilled kills the client's node in the middle of things, publishes at
// another and starts it again.
func testNPMKilled(t *testing.T, c *npmCluster) {
	long, addr := channel(t, "long"), quietAddr(t)
	mine := c.start(t, addr)
	r := c.follower(t, addr, long)
	c.node.publish(t, long, 1, 2, 3)
	r.hear(numbered(1, 3)...)
	mine.kill()
	r.hear("subscribing 1 transport closed", "connecting 1 transport closed")
	c.node.publish(t, long, 4, 5, 6)
	mine = c.start(t, addr)
	r.hear("connected", "recovered from 3")
	r.hear(numbered(4, 6)...)
	mine.publish(t, long, 7)
	r.hear(numbered(7, 7)...)
	r.disconnect()
}

// testNPMFailover kills the client's node, and the client comes back to another.
func testNPMFailover(t *testing.T, c *npmCluster) {
	long := channel(t, "long")
	first := c.start(t, "127.0.0.1:0")
	proxy := hubtest.NewProxy(t, first.host())
	r := c.follower(t, proxy.Addr(), long)
	first.publish(t, long, 1, 2)
	c.node.publish(t, long, 3)
	r.hear(numbered(1, 3)...)
	first.kill()
	r.hear("subscribing 1 transport closed", "connecting 1 transport closed")
	c.node.publish(t, long, 4, 5, 6)
	proxy.SetTarget(c.node.host())
	r.hear("connected", "recovered from 3")
	r.hear(numbered(4, 6)...)
	c.node.publish(t, long, 7)
	r.hear(numbered(7, 7)...)
	r.disconnect()
}

// testNPMStopped stops the client's node, which tells the client to come back.
func testNPMStopped(t *testing.T, c *npmCluster) {
	long, addr := channel(t, "long"), quietAddr(t)
	mine := c.start(t, addr)
	r := c.follower(t, addr, long)
	mine.signal(syscall.SIGTERM)
	r.hear("subscribing 1 transport closed", "connecting 3001 shutdown")
	if code := mine.exit(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, &mine.err)
	}
	c.node.publish(t, long, 1)
	c.start(t, addr)
	r.hear("connected", "recovered from 0", "1: 1")
	r.disconnect()
}

// testNPMRemoved removes what the client has missed.
func testNPMRemoved(t *testing.T, c *npmCluster) {
	testNPMUnrecoverable(t, c, channel(t, "long"), func(channel string) {
		c.node.publish(t, channel, 2, 3)
		c.node.call(t, "history_remove", map[string]any{"channel": channel})
	}, 3)
}

// testNPMTrimmed has the client miss more than the history holds.
func testNPMTrimmed(t *testing.T, c *npmCluster) {
	testNPMUnrecoverable(t, c, channel(t, "short"), func(channel string) {
		c.node.publish(t, channel, 2, 3, 4, 5, 6, 7)
	}, 7)
}

// testNPMUnrecoverable has a client that heard message 1 miss what it cannot get
// back. It is told so, and goes on from the given offset.
func testNPMUnrecoverable(t *testing.T, c *npmCluster, channel string, lose func(channel string), offset int) {
	t.Helper()
	proxy := hubtest.NewProxy(t, c.node.host())
	r := c.follower(t, proxy.Addr(), channel)
	c.node.publish(t, channel, 1)
	r.hear(numbered(1, 1)...)
	proxy.Refuse(true)
	proxy.Cut()
	r.hear("subscribing 1 transport closed", "connecting 1 transport closed")
	lose(channel)
	proxy.Refuse(false)
	r.hear("connected", fmt.Sprintf("not recovered, at %d", offset))
	c.node.publish(t, channel, offset+1)
	r.hear(numbered(offset+1, offset+1)...)
	r.disconnect()
}

// testNPMEmptied restarts a Redis without its data. The client stays connected,
// and is told to subscribe again.
func testNPMEmptied(t *testing.T, c *npmCluster) {
	own := startCluster(t, npmRules)
	own.open = c.open
	long := channel(t, "long")
	r := own.follower(t, own.node.host(), long)
	own.node.publish(t, long, 1)
	r.hear(numbered(1, 1)...)
	own.redis.Stop()
	own.redis.Start()
	r.hear("subscribing 2500 insufficient state", "not recovered, at 0")
	own.node.waitFor("/readyz", 200)
	own.node.publish(t, long, 1)
	r.hear(numbered(1, 1)...)
	r.disconnect()
}
