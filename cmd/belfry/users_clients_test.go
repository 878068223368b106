package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"

	"belfry/hub/hubtest"
)

// goClient is the published Go client, and what it tells, in words.
type goClient struct {
	*centrifuge.Client
	t    *testing.T
	mu   sync.Mutex // guards what follows
	said []string
	read int // how much of it the test has read
}

// subscription is how a client subscribes.
type subscription = centrifuge.SubscriptionConfig

// client opens one of a user, with a token for an hour, or one that gets its tokens
// itself.
func (s *userSite) client(t *testing.T, addr, user string, getToken func() (string, error)) *goClient {
	t.Helper()
	if getToken != nil {
		return openGo(t, addr, centrifuge.Config{GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) { return getToken() }})
	}
	return openGo(t, addr, centrifuge.Config{Token: s.token(user, nil)})
}

// openGo opens a client that comes back sooner than it would by itself, and waits longer
// for a busy machine.
func openGo(t *testing.T, addr string, config centrifuge.Config) *goClient {
	t.Helper()
	config.ReadTimeout, config.WriteTimeout, config.HandshakeTimeout, config.MaxServerPingDelay = hubtest.Patience, hubtest.Patience, hubtest.Patience, hubtest.Patience
	config.MinReconnectDelay, config.MaxReconnectDelay = 10*time.Millisecond, 50*time.Millisecond
	c := &goClient{t: t, Client: centrifuge.NewJsonClient("ws://"+addr+"/connection/websocket", config)}
	c.OnConnecting(func(e centrifuge.ConnectingEvent) { c.tell("connecting %d %s", e.Code, e.Reason) })
	c.OnConnected(func(centrifuge.ConnectedEvent) { c.tell("connected") })
	c.OnDisconnected(func(e centrifuge.DisconnectedEvent) { c.tell("disconnected %d %s", e.Code, e.Reason) })
	c.OnError(func(e centrifuge.ErrorEvent) { c.tell("error %v", e.Error) })
	t.Cleanup(c.Close)
	_ = c.Connect() // it tries again
	return c
}

// follow subscribes to a channel.
func (c *goClient) follow(channel string, config subscription) *centrifuge.Subscription {
	c.t.Helper()
	config.MinResubscribeDelay, config.MaxResubscribeDelay = 10*time.Millisecond, 50*time.Millisecond
	sub, err := c.NewSubscription(channel, config)
	if err != nil {
		c.t.Fatal(err)
	}
	sub.OnSubscribing(func(e centrifuge.SubscribingEvent) { c.tell("%s: subscribing %d %s", channel, e.Code, e.Reason) })
	sub.OnSubscribed(func(e centrifuge.SubscribedEvent) { c.tell("%s: subscribed, recovered %t", channel, e.Recovered) })
	sub.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) { c.tell("%s: unsubscribed %d %s", channel, e.Code, e.Reason) })
	sub.OnPublication(func(e centrifuge.PublicationEvent) { c.tell("%s: %s", channel, e.Data) })
	sub.OnError(func(e centrifuge.SubscriptionErrorEvent) { c.tell("%s: error %v", channel, e.Error) })
	if err := sub.Subscribe(); err != nil {
		c.t.Fatal(err)
	}
	return sub
}

func (c *goClient) tell(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

// told is everything so far.
func (c *goClient) told() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.said)
}

// has reports whether it has told something that begins so.
func (c *goClient) has(begin string) bool {
	return slices.ContainsFunc(c.told(), func(text string) bool { return strings.HasPrefix(text, begin) })
}

// until waits for what begins with a text, behind what was waited for before.
func (c *goClient) until(begin string) {
	c.t.Helper()
	for deadline := time.Now().Add(hubtest.Patience); ; time.Sleep(2 * time.Millisecond) {
		if c.skip(begin) {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("it does not tell %q, but %q", begin, c.told())
		}
	}
}

func (c *goClient) skip(begin string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.said[c.read:], func(text string) bool { return strings.HasPrefix(text, begin) })
	c.read += i + 1
	return i >= 0
}

// giver gives tokens of a user, which are good for a second each until it is to give
// long ones.
type giver struct {
	site   *userSite
	user   string
	claims map[string]any
	long   atomic.Bool

	mu    sync.Mutex // guards what follows
	given int
	until time.Time // of the last
}

func (g *giver) give() (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.given++
	g.until = time.Now().Add(time.Second)
	if g.long.Load() {
		g.until = time.Now().Add(time.Hour)
	}
	claims := map[string]any{"exp": float64(g.until.UnixMilli()) / 1000}
	maps.Copy(claims, g.claims)
	return g.site.token(g.user, claims), nil
}

// hasGiven reports whether it has given so many.
func (g *giver) hasGiven(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.given >= n
}

// isOver reports whether all that were given have expired.
func (g *giver) isOver() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().After(g.until)
}

// subscription subscribes by tokens of a giver.
func (g *giver) subscription() subscription {
	return subscription{GetToken: func(centrifuge.SubscriptionTokenEvent) (string, error) { return g.give() }}
}

// testClients has the published Go client do with tokens what its users do.
func (s *userSite) testClients(t *testing.T) {
	for name, test := range map[string]func(*testing.T, *userSite){
		"tokens are refreshed":              testGoRefreshes,
		"tokens expire while it is away":    testGoAway,
		"wrong tokens":                      testGoWrong,
		"tokens and users that are revoked": testGoRevoked,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, s) })
	}
}

// testGoRefreshes has tokens of the connection and of a subscription expire, for which
// the client shows others in time: nothing is interrupted.
func testGoRefreshes(t *testing.T, s *userSite) {
	const channel = "$refreshed"
	connection, own := &giver{site: s, user: "fay"}, &giver{site: s, user: "fay", claims: map[string]any{"channel": channel}}
	c := s.client(t, s.a.host(), "fay", connection.give)
	c.follow(channel, own.subscription())
	mine := c.follow("of:fay", subscription{})
	c.until(channel + ": subscribed")
	// One for the begin, and two for refreshes, of which the first was answered.
	hubtest.Eventually(t, hubtest.Patience, func() bool { return connection.hasGiven(3) && own.hasGiven(3) }, "tokens are refreshed twice")
	s.b.publish(t, channel, 1)
	c.until(channel + ": 1")
	for _, bad := range []string{"disconnected", "connecting 1", "connecting 3", channel + ": unsubscribed", channel + ": subscribing 2"} {
		if c.has(bad) {
			t.Errorf("it tells %q", c.told())
		}
	}
	here, err := mine.Presence(context.Background())
	if err != nil || len(here.Clients) != 1 {
		t.Fatalf("presence: %+v, %v", here, err)
	}
	for _, info := range here.Clients {
		if info.User != "fay" {
			t.Errorf("the user is %q", info.User)
		}
	}
}

// testGoAway has all tokens of a client expire while it is cut off. It gets others, and
// what it has missed.
func testGoAway(t *testing.T, s *userSite) {
	const channel = "$missed"
	proxy := hubtest.NewProxy(t, s.a.host())
	connection, own := &giver{site: s, user: "gus"}, &giver{site: s, user: "gus", claims: map[string]any{"channel": channel}}
	c := s.client(t, proxy.Addr(), "gus", connection.give)
	c.follow(channel, own.subscription())
	c.follow("of:gus", subscription{})
	c.until(channel + ": subscribed")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return c.has("of:gus: subscribed") }, "both channels")
	for _, ch := range []string{channel, "of:gus"} {
		s.a.publish(t, ch, 1)
		hubtest.Eventually(t, hubtest.Patience, func() bool { return c.has(ch + ": 1") }, "the first message on "+ch)
	}
	proxy.Refuse(true)
	proxy.Cut()
	c.until("connecting 1 ")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return connection.isOver() && own.isOver() }, "the tokens have expired")
	s.a.publish(t, channel, 2, 3)
	s.b.publish(t, "of:gus", 2, 3)
	connection.long.Store(true)
	own.long.Store(true)
	proxy.Refuse(false)
	c.until("error connect error: 109: token expired")
	c.until("connected")
	c.until(channel + ": error subscribe error: 109: token expired")
	for _, ch := range []string{channel, "of:gus"} {
		hubtest.Eventually(t, hubtest.Patience, func() bool { return c.has(ch + ": 3") }, "what was missed on "+ch)
		var got []string
		for _, text := range c.told() {
			if rest, ok := strings.CutPrefix(text, ch+": "); ok && len(rest) == 1 {
				got = append(got, rest)
			}
		}
		if !slices.Equal(got, []string{"1", "2", "3"}) || !c.has(ch+": subscribed, recovered true") {
			t.Errorf("%s: it hears %q of %q", ch, got, c.told())
		}
	}
}

// testGoWrong shows tokens that are good for nothing: the client stays away, as the
// protocol has it.
func testGoWrong(t *testing.T, s *userSite) {
	good, over := s.token("hal", nil), s.token("hal", map[string]any{"exp": 1})
	forChannel := func(channel, user string) string { return s.token(user, map[string]any{"channel": channel}) }
	for name, c := range map[string]struct {
		connection centrifuge.Config
		channel    subscription
		want       string
	}{
		"a forged one":            {centrifuge.Config{Token: s.secrets.add("a forged token", good[:len(good)-5]+"AAAAA")}, subscription{}, "disconnected 3500 invalid token"},
		"one of another key":      {centrifuge.Config{Token: foreignToken}, subscription{}, "disconnected 3500 invalid token"},
		"one for a subscription":  {centrifuge.Config{Token: forChannel("$wrong", "hal")}, subscription{}, "disconnected 3500 invalid token"},
		"an expired one":          {centrifuge.Config{Token: over}, subscription{}, "disconnected 1 unauthorized"},
		"none, by its backend":    {centrifuge.Config{GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) { return "", centrifuge.ErrUnauthorized }}, subscription{}, "disconnected 1 unauthorized"},
		"none for a subscription": {centrifuge.Config{Token: good}, subscription{}, "$wrong: unsubscribed 103 permission denied"},
		"another's for one":       {centrifuge.Config{Token: good}, subscription{Token: forChannel("$wrong", "ada")}, "disconnected 3500 invalid token"},
		"that of another channel": {centrifuge.Config{Token: good}, subscription{Token: forChannel("$other", "hal")}, "disconnected 3500 invalid token"},
		"a forged one for one":    {centrifuge.Config{Token: good}, subscription{Token: foreignToken}, "$wrong: unsubscribed 103 invalid token"},
		"that of the connection":  {centrifuge.Config{Token: good}, subscription{Token: good}, "disconnected 3500 invalid token"},
	} {
		t.Run(name, func(t *testing.T) {
			client := openGo(t, s.b.host(), c.connection)
			client.follow("$wrong", c.channel)
			client.until(c.want)
			for _, text := range client.told() {
				s.secrets.show("a client", text)
			}
		})
	}
}

// testGoRevoked takes back what clients of the other node have come with.
func testGoRevoked(t *testing.T, s *userSite) {
	const channel = "$revoked"
	byToken := openGo(t, s.b.host(), centrifuge.Config{Token: s.token("ida", map[string]any{"jti": "ida-1"})})
	stays := s.client(t, s.b.host(), "ida", nil)
	stays.follow(channel, subscription{Token: s.token("ida", map[string]any{"jti": "ida-2", "channel": channel})})
	blocked := s.client(t, s.b.host(), "joe", nil)
	byToken.until("connected")
	blocked.until("connected")
	stays.until(channel + ": subscribed")
	s.a.call(t, "revoke_token", map[string]any{"uid": "ida-1"})
	byToken.until("disconnected 3500 invalid token")
	s.a.call(t, "revoke_token", map[string]any{"uid": "ida-2"})
	stays.until(channel + ": subscribing 2501 subscription expired")
	stays.until(channel + ": unsubscribed 103 invalid token") // it has no other to show
	s.a.call(t, "block_user", map[string]any{"user": "joe"})
	blocked.until("disconnected 3503 force disconnect")
	if stays.has("disconnected") {
		t.Errorf("it tells %q", stays.told())
	}
}
