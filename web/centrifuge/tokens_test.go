package centrifuge_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web/access"
	"belfry/web/carry"
	"belfry/web/centrifuge"
	"belfry/web/fault"
	"belfry/web/session"
)

// words are a guard that reads tokens like "ada 10s": a user, and for how long, or the
// fault that they stand for. A third word names a channel.
type words struct{ access.Rules }

var faults = map[string]fault.Kind{"bad": fault.BadToken, "expired": fault.ExpiredToken, "away": fault.Unavailable, "others": fault.OthersToken}

func read(text string) (*access.Identity, error) {
	var user, age, channel string
	_, _ = fmt.Sscan(text, &user, &age, &channel)
	if kind, ok := faults[user]; ok {
		return nil, fault.New(kind, user+" token")
	}
	who := &access.Identity{User: strings.Trim(user, "-"), Info: []byte(`{"of":"token"}`)}
	if d, err := time.ParseDuration(age); err == nil {
		who.Until = time.Now().Add(d)
	}
	if channel != "" {
		who.Joins = []access.Join{{Channel: channel, Info: []byte("1"), Data: []byte("2")}}
	}
	return who, nil
}

func (words) Connect(_ context.Context, h access.Hello) (*access.Identity, error) {
	if h.Token == "" {
		h.Token = h.Header.Get("Authorization")
	}
	if h.Token == "" {
		return nil, nil
	}
	return read(h.Token)
}

func (g words) Allow(ctx context.Context, r access.Request) (access.Permit, error) {
	if r.Token == "" {
		return g.Rules.Allow(ctx, r)
	}
	who, err := read(r.Token)
	if err != nil {
		return access.Permit{}, err
	}
	r.Token, r.Granted = "", access.ActionsOf(access.Subscribe)
	p, err := g.Rules.Allow(ctx, r)
	p.Until, p.Granted, p.Info = who.Until, access.ActionsOf(access.Subscribe, access.Publish), []byte(`"c"`)
	return p, err
}

// site is a node with users.
type site struct {
	*node
	d *deaf
	s *session.Session
}

// newSite makes one, and a client that says something when it has connected.
func newSite(t *testing.T, hello access.Hello, connect string) *site {
	t.Helper()
	n := &node{t: t}
	n.hub, _ = hubtest.Run(t, hub.Options{Rules: hub.Rules{
		{Match: "team", Subscribe: hub.WhoToken, Publish: hub.WhoToken, Presence: true},
		{Match: "none", Subscribe: hub.WhoServer},
		{Match: "a*", Subscribe: hub.WhoUser, Publish: hub.WhoUser, Presence: true},
	}})
	n.sessions = session.NewRegistry(session.Options{Hub: n.hub, Guard: words{access.Rules{For: n.hub.Rule}}, Logger: slog.New(slog.DiscardHandler),
		Limits: session.Limits{Message: 64 << 10, Buffer: buffer, Subscriptions: 8}})
	n.server = centrifuge.New(centrifuge.Options{Hub: n.hub, Sessions: n.sessions, Links: carry.New(carry.Options{Hub: n.hub, Sessions: n.sessions})})
	c := &site{node: n, d: &deaf{}}
	var err error
	if c.s, err = n.sessions.Open(hello, c.d, n.server.Endpoint().Speak); err != nil {
		t.Fatal(err)
	}
	if err := c.s.Prepare(hello); err != nil || !c.s.Begin() {
		t.Fatal("the client is refused", err)
	}
	t.Cleanup(c.s.End)
	c.s.Opened()
	c.s.Receive(session.Text, []byte(connect))
	return c
}

var varying = regexp.MustCompile(`"(client|version|node|time|max_message|ping|pong)":("[^"]*"|\d+|true),?`)

// said is what the client was told since it was asked last, without what differs.
func (c *site) said() string {
	text := varying.ReplaceAllString(c.d.read(), "")
	return strings.ReplaceAll(strings.TrimSuffix(text, "\n"), ",}", "}")
}

func (c *site) code() int {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	return c.d.code
}

// pass lets seconds pass, in which the client answers pings.
func (c *site) pass(seconds int) {
	for range seconds {
		time.Sleep(time.Second)
		c.sessions.Advance()
		c.s.Receive(session.Text, []byte("{}"))
	}
	synctest.Wait()
}

const asAda = `{"id":1,"connect":{"token":"ada 60s"}}`

// TestTokenAnswers shows tokens of every kind with each command: what is answered, and
// with which code the connection closes.
func TestTokenAnswers(t *testing.T) {
	for _, c := range []struct {
		name, say, want string
		code            int // that the connection is closed with; 0: it stays
	}{
		{"connect", "", `{"id":1,"connect":{"user":"ada","expires":true,"ttl":60}}`, 0},
		{"connect by a bad one", `{"id":1,"connect":{"token":"bad"}}`, "", 3500},
		{"connect by an expired one", `{"id":1,"connect":{"token":"expired"}}`, `{"id":1,"error":{"code":109,"message":"expired token"}}`, 0},
		{"connect while keys are away", `{"id":1,"connect":{"token":"away"}}`, `{"id":1,"error":{"code":100,"message":"away token","temporary":true}}`, 0},
		{"connect without end", `{"id":1,"connect":{"token":"ada -"}}`, `{"id":1,"connect":{"user":"ada"}}`, 0},
		{"connect as nobody", `{"id":1,"connect":{}}`, `{"id":1,"connect":{}}`, 0},
		{"connect to what is not there", `{"id":1,"connect":{"token":"ada - b"}}`, `{"id":1,"error":{"code":102,"message":"unknown channel: no rule of the configuration matches \"b\""}}`, 0},
		{"connect to a channel of the token", `{"id":1,"connect":{"token":"ada - none"}}`, `{"id":1,"connect":{"user":"ada","subs":{"none":{"data":2}}}}`, 0},

		{"subscribe", `{"id":2,"subscribe":{"channel":"team","token":"ada 30s"}}`, `{"id":2,"subscribe":{"expires":true,"ttl":30}}`, 0},
		{"subscribe without end", `{"id":2,"subscribe":{"channel":"team","token":"ada -"}}`, `{"id":2,"subscribe":{}}`, 0},
		{"subscribe without one", `{"id":2,"subscribe":{"channel":"team"}}`, `{"id":2,"error":{"code":103,"message":"permission denied"}}`, 0},
		{"subscribe without need", `{"id":2,"subscribe":{"channel":"a"}}`, `{"id":2,"subscribe":{}}`, 0},
		{"subscribe by a bad one", `{"id":2,"subscribe":{"channel":"a","token":"bad"}}`, `{"id":2,"error":{"code":103,"message":"bad token"}}`, 0},
		{"subscribe by an expired one", `{"id":2,"subscribe":{"channel":"a","token":"expired"}}`, `{"id":2,"error":{"code":109,"message":"expired token"}}`, 0},
		{"subscribe by another's", `{"id":2,"subscribe":{"channel":"a","token":"others"}}`, "", 3500},
		{"subscribe while keys are away", `{"id":2,"subscribe":{"channel":"a","token":"away"}}`, `{"id":2,"error":{"code":100,"message":"away token","temporary":true}}`, 0},

		{"refresh", `{"id":2,"refresh":{"token":"ada 90s"}}`, `{"id":2,"refresh":{"expires":true,"ttl":90}}`, 0},
		{"refresh without end", `{"id":2,"refresh":{"token":"ada -"}}`, `{"id":2,"refresh":{}}`, 0},
		{"refresh by nothing", `{"id":2,"refresh":{}}`, "", 3501},
		{"refresh by an expired one", `{"id":2,"refresh":{"token":"expired"}}`, "", 3005},
		{"refresh by a bad one", `{"id":2,"refresh":{"token":"bad"}}`, "", 3500},
		{"refresh as another user", `{"id":2,"refresh":{"token":"bob 90s"}}`, "", 3500},
		{"refresh with other channels", `{"id":2,"refresh":{"token":"ada 90s a"}}`, "", 3010},
		{"refresh while keys are away", `{"id":2,"refresh":{"token":"away"}}`, `{"id":2,"error":{"code":100,"message":"away token","temporary":true}}`, 0},

		{"sub_refresh", sub("team", "30s") + `{"id":3,"sub_refresh":{"channel":"team","token":"ada 90s"}}`, `{"id":3,"sub_refresh":{"expires":true,"ttl":90}}`, 0},
		{"sub_refresh by nothing", sub("team", "30s") + `{"id":3,"sub_refresh":{"channel":"team"}}`, `{"id":3,"error":{"code":107,"message":"token: is missing"}}`, 0},
		{"sub_refresh elsewhere", `{"id":3,"sub_refresh":{"channel":"a","token":"ada 90s"}}`, `{"id":3,"error":{"code":103,"message":"permission denied: not subscribed"}}`, 0},
		{"sub_refresh by an expired one", sub("team", "30s") + `{"id":3,"sub_refresh":{"channel":"team","token":"expired"}}`, `{"id":3,"error":{"code":109,"message":"expired token","temporary":true}}`, 0},
		{"sub_refresh by a bad one", sub("team", "30s") + `{"id":3,"sub_refresh":{"channel":"team","token":"bad"}}`, "", 3500},
		{"sub_refresh by another's", sub("team", "30s") + `{"id":3,"sub_refresh":{"channel":"team","token":"others"}}`, "", 3500},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, rest := asAda, c.say
				if strings.Contains(c.say, `"connect"`) {
					first, rest = c.say, ""
				}
				s := newSite(t, access.Hello{}, first)
				if rest != "" {
					s.said()
					s.s.Receive(session.Text, []byte(rest))
				}
				lines := strings.Split(s.said(), "\n")
				if got := lines[len(lines)-1]; got != c.want && !(c.want == "" && s.code() != 0) || s.code() != c.code {
					t.Errorf("got %s, closed with %d; want %s, %d", got, s.code(), c.want, c.code)
				}
			})
		})
	}
}

func sub(channel, age string) string {
	return fmt.Sprintf(`{"id":2,"subscribe":{"channel":%q,"token":"ada %s"}}`+"\n", channel, age)
}

// TestHandshakeIdentity takes what a client came with when its connect command shows
// nothing, and tells it then why that does not do. It is not asked for another token.
func TestHandshakeIdentity(t *testing.T) {
	for _, c := range []struct {
		header, connect, want string
		code                  int
		user                  string
	}{
		{"ada 60s", `{"id":1,"connect":{}}`, `{"id":1,"connect":{"user":"ada"}}`, 0, "ada"},
		{"ada 60s", `{"id":1,"connect":{"token":"bob 30s"}}`, `{"id":1,"connect":{"user":"bob","expires":true,"ttl":30}}`, 0, "bob"},
		{"bad", `{"id":1,"connect":{}}`, "", 3500, ""},
		{"expired", `{"id":1,"connect":{}}`, `{"id":1,"error":{"code":109,"message":"expired token"}}`, 0, ""},
		{"expired", `{"id":1,"connect":{"token":"ada 60s"}}`, `{"id":1,"connect":{"user":"ada","expires":true,"ttl":60}}`, 0, "ada"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, access.Hello{Header: map[string][]string{"Authorization": {c.header}}}, c.connect)
			who := session.InfoOf(s.s)
			if got := s.said(); got != c.want || s.code() != c.code || who.User != c.user {
				t.Errorf("%s, then %s: got %s, closed with %d, user %q; want %s, %d, %q", c.header, c.connect, got, s.code(), who.User, c.want, c.code, c.user)
			}
		})
	}
}

// TestConnectionExpires closes a connection 25 seconds after its token is over, unless
// another was shown, and one that cannot show another at once.
func TestConnectionExpires(t *testing.T) {
	for _, c := range []struct {
		name   string
		hello  access.Hello
		first  string
		say    string        // after 50 seconds
		closed time.Duration // zero: it stays
	}{
		{"nothing shown", access.Hello{}, asAda, "", 85 * time.Second},
		{"another shown", access.Hello{}, asAda, `{"id":2,"refresh":{"token":"ada 100s"}}`, 175 * time.Second},
		{"one without end shown", access.Hello{}, asAda, `{"id":2,"refresh":{"token":"ada -"}}`, 0},
		{"keys away meanwhile", access.Hello{}, asAda, `{"id":2,"refresh":{"token":"away"}}`, 85 * time.Second},
		{"no token", access.Hello{}, connect, "", 0},
		{"a cookie", access.Hello{Header: map[string][]string{"Authorization": {"ada 60s"}}}, connect, "", 60 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, c.hello, c.first)
				start := time.Now()
				s.pass(50)
				if c.say != "" {
					s.s.Receive(session.Text, []byte(c.say))
				}
				for s.code() == 0 && time.Since(start) < 10*time.Minute {
					s.pass(1)
				}
				want := 3005
				if c.closed == 0 {
					c.closed, want = 10*time.Minute, 0
				}
				if took := time.Since(start); took != c.closed || s.code() != want {
					t.Errorf("after %v it is closed with %d, want %v, %d", took, s.code(), c.closed, want)
				}
			})
		})
	}
}

// TestSubscriptionExpires ends a subscription 25 seconds after its token is over, unless
// another was shown. The client subscribes again by itself.
func TestSubscriptionExpires(t *testing.T) {
	const expired = `{"push":{"channel":"team","unsubscribe":{"code":2501,"reason":"subscription expired"}}}`
	for _, c := range []struct {
		name, say string
		after     time.Duration // zero: it stays
	}{
		{"nothing shown", "", 55 * time.Second},
		{"another shown", `{"id":3,"sub_refresh":{"channel":"team","token":"ada 100s"}}`, 145 * time.Second},
		{"an expired one shown", `{"id":3,"sub_refresh":{"channel":"team","token":"expired"}}`, 55 * time.Second},
		{"one without end shown", `{"id":3,"sub_refresh":{"channel":"team","token":"ada -"}}`, 0},
		{"unsubscribed", `{"id":3,"unsubscribe":{"channel":"team"}}`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, access.Hello{}, `{"id":1,"connect":{"token":"ada -"}}`)
				s.s.Receive(session.Text, []byte(sub("team", "30s")))
				start := time.Now()
				time.Sleep(20 * time.Second)
				if c.say != "" {
					s.s.Receive(session.Text, []byte(c.say))
				}
				heard := ""
				for !strings.Contains(heard, "2501") && time.Since(start) < 10*time.Minute {
					time.Sleep(time.Second)
					synctest.Wait()
					heard = s.said()
				}
				if c.after == 0 {
					c.after = 10 * time.Minute
				} else if !strings.Contains(heard, expired) || s.hub.NumSubscribers("team") != 0 {
					t.Errorf("got %s, and %d are subscribed", heard, s.hub.NumSubscribers("team"))
				}
				if took := time.Since(start); took != c.after || s.code() != 0 {
					t.Errorf("it ended after %v, closed with %d; want %v, and that it stays", took, s.code(), c.after)
				}
			})
		})
	}
}

// TestUserIsTold says who a user is in presence, in joins, in what is published, and
// counts users.
func TestUserIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, access.Hello{}, asAda)
		s.s.Receive(session.Text, []byte(`{"id":2,"subscribe":{"channel":"a1","join_leave":true}}`))
		other := s.open(t, &deaf{}, asAda)
		other.Receive(session.Text, []byte(`{"id":2,"subscribe":{"channel":"a1"}}`))
		synctest.Wait()
		const info = `{"user":"ada","conn_info":{"of":"token"}}`
		if got := s.said(); !strings.Contains(got, `{"push":{"channel":"a1","join":{"info":`+info) {
			t.Errorf("on joining: %s", got)
		}
		s.s.Receive(session.Text, []byte(`{"id":3,"publish":{"channel":"a1","data":1}}`))
		synctest.Wait()
		if got := s.said(); !strings.Contains(got, `"pub":{"data":1,"info":`+info) {
			t.Errorf("on publishing: %s", got)
		}
		s.s.Receive(session.Text, []byte(`{"id":4,"presence":{"channel":"a1"}}`+"\n"+`{"id":5,"presence_stats":{"channel":"a1"}}`))
		if got := s.said(); !strings.Contains(got, info) || !strings.Contains(got, `{"num_clients":2,"num_users":1}`) {
			t.Errorf("the presence: %s", got)
		}
		s.s.Receive(session.Text, []byte(sub("team", "30s")+`{"id":6,"publish":{"channel":"team","data":1}}`))
		synctest.Wait()
		if got := s.said(); !strings.Contains(got, `"conn_info":{"of":"token"},"chan_info":"c"}`) {
			t.Errorf("by a token that lets publish: %s", got)
		}
	})
}
