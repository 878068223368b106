package access_test

import (
	"fmt"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
)

var actions = []access.Action{access.Subscribe, access.Publish, access.ReadHistory, access.ReadPresence}

// ruleFor is one that lets some do something, and nobody anything else.
func ruleFor(match string, a access.Action, who hub.Who) hub.Rule {
	lists := [4]hub.Who{}
	for i := range lists {
		lists[i] = hub.WhoServer
	}
	lists[a] = who
	return hub.Rule{Match: match, Subscribe: lists[access.Subscribe], Publish: lists[access.Publish],
		ReadHistory: lists[access.ReadHistory], ReadPresence: lists[access.ReadPresence]}
}

// asking asks by one rule alone.
func asking(t *testing.T, rule hub.Rule, r access.Request) (access.Permit, error) {
	t.Helper()
	return access.Rules{For: hub.New(hub.Options{Rules: hub.Rules{rule}}).Rule}.Allow(t.Context(), r)
}

// granted is an identity whose token names a channel for everything.
func granted(user string, patterns ...string) *access.Identity {
	return &access.Identity{User: user, Grants: []access.Grant{{Actions: access.ActionsOf(actions...), Patterns: patterns}}}
}

// TestKindsOfClients asks for each action, by rules that each let one kind do it, for
// identities that are some of these kinds.
func TestKindsOfClients(t *testing.T) {
	const anyone, user, token, subscriber, server = hub.WhoAnyone, hub.WhoUser, hub.WhoToken, hub.WhoSubscriber, hub.WhoServer
	kinds := []hub.Who{anyone, user, token, subscriber, server}
	ada := &access.Identity{User: "ada"}
	for _, c := range []struct {
		name, match, channel string
		who                  *access.Identity
		granted              bool // by a token for the channel
		subscribed           bool
		is                   hub.Who
	}{
		{"an anonymous client", "*", "team:7", nil, false, false, anyone},
		{"one that is subscribed", "*", "team:7", nil, false, true, anyone | subscriber},
		{"one with a token for the channel", "*", "team:7", nil, true, false, anyone | token},
		{"one whose token has no user", "*", "team:7", &access.Identity{}, false, false, anyone},
		{"a user", "*", "team:7", ada, false, false, anyone | user},
		{"a user who is subscribed", "*", "team:7", ada, false, true, anyone | user | subscriber},
		{"a user whose token names it", "*", "team:7", granted("ada", "team:*"), false, false, anyone | user | token},
		{"a user whose token names another", "*", "team:7", granted("ada", "team:8", "team"), false, false, anyone | user},
		{"nobody whose token names it", "*", "team:7", granted("", "team:7"), false, false, anyone | token},

		{"the owner", "user:{user}", "user:ada", ada, false, false, anyone | user},
		{"another user", "user:{user}", "user:bob", ada, false, false, 0},
		{"another user who is subscribed", "user:{user}", "user:bob", ada, false, true, subscriber},
		{"another user whose token names it", "user:{user}", "user:bob", granted("ada", "user:*"), false, false, token},
		{"an anonymous client of a user's", "user:{user}", "user:ada", nil, false, false, 0},
		{"one whose ID is longer", "user:{user}:*", "user:a:b:c", &access.Identity{User: "a:b"}, false, false, 0},

		{"an anonymous client of a private one", "*", "$team", nil, false, false, 0},
		{"a user of a private one", "*", "$team", ada, false, false, 0},
		{"a user who is subscribed to a private one", "*", "$team", ada, false, true, anyone | user | subscriber},
		{"a user with a token for a private one", "*", "$team", ada, true, false, anyone | user | token},

		{"a user within what the key may grant", "*", "team:7", &access.Identity{User: "ada", Within: []string{"team:*"}}, false, false, anyone | user},
		{"a user beyond what the key may grant", "*", "team:7", &access.Identity{User: "ada", Within: []string{"team:8", "news*"}}, false, false, anyone},
		{"an owner beyond what the key may grant", "user:{user}", "user:ada", &access.Identity{User: "ada", Within: []string{"team:*"}}, false, false, 0},
	} {
		for _, action := range actions {
			for _, list := range kinds {
				q := access.Request{Who: c.who, Action: action, Channel: c.channel, Subscribed: c.subscribed}
				if c.granted {
					q.Granted = access.ActionsOf(action)
				}
				_, err := asking(t, ruleFor(c.match, action, list), q)
				want := c.is.Has(list) || action == access.Subscribe && strings.HasPrefix(c.channel, "$") && c.is.Has(token) && list != server
				if (err == nil) != want {
					t.Errorf("%s, action %d, a rule for %s: got %v, want that it is allowed: %t", c.name, action, list, err, want)
				}
			}
		}
	}
}

// TestGrants has tokens name channels in every way.
func TestGrants(t *testing.T) {
	for _, c := range []struct {
		grant   access.Grant
		channel string
		want    bool
	}{
		{access.Grant{Actions: access.ActionsOf(access.Publish), Patterns: []string{"a", "b"}}, "b", true},
		{access.Grant{Actions: access.ActionsOf(access.Subscribe, access.ReadHistory), Patterns: []string{"a", "b"}}, "b", false},
		{access.Grant{Actions: access.ActionsOf(access.Publish), Patterns: []string{"team:*"}}, "team:7", true},
		{access.Grant{Actions: access.ActionsOf(access.Publish), Patterns: []string{"team:.*"}}, "team:7", false},
		{access.Grant{Actions: access.ActionsOf(access.Publish), Patterns: []string{`^team:[\d]+$`}, Regexp: true}, "team:7", true},
		{access.Grant{Actions: access.ActionsOf(access.Publish), Patterns: []string{`^team:[\d]+$`}, Regexp: true}, "team:x", false},
		{access.Grant{Actions: access.ActionsOf(access.Publish), Patterns: []string{`(`}, Regexp: true}, "(", false},
		{access.Grant{Actions: access.ActionsOf(access.Publish)}, "b", false},
	} {
		who := &access.Identity{Grants: []access.Grant{c.grant}}
		_, err := asking(t, ruleFor("*", access.Publish, hub.WhoToken), access.Request{Who: who, Action: access.Publish, Channel: c.channel})
		if (err == nil) != c.want {
			t.Errorf("%+v on %s: %v, want that it is allowed: %t", c.grant, c.channel, err, c.want)
		}
	}
}

// TestRecovery lets those alone have what they missed who may read the history.
func TestRecovery(t *testing.T) {
	for list, want := range map[hub.Who]bool{
		hub.WhoAnyone: true, hub.WhoSubscriber: true, hub.WhoUser: false, hub.WhoServer: false, 0: true,
	} {
		rule := hub.Rule{Match: "*", ReadHistory: list}
		if p, err := asking(t, rule, access.Request{Action: access.Subscribe, Channel: "a"}); err != nil || p.Recover != want {
			t.Errorf("a history for %s: an anonymous client recovers: %t, %v; want %t", list, p.Recover, err, want)
		}
		if p, err := asking(t, rule, access.Request{Who: access.Backend, Action: access.Subscribe, Channel: "a"}); err != nil || !p.Recover {
			t.Errorf("a history for %s: the backend recovers: %t, %v", list, p.Recover, err)
		}
	}
}

// TestRefusal tells the log who may not do what, by which rule, and the client less.
func TestRefusal(t *testing.T) {
	for _, c := range []struct {
		who    *access.Identity
		list   hub.Who
		kind   fault.Kind
		public string
		full   string
	}{
		{nil, hub.WhoUser | hub.WhoToken, fault.NoToken, "permission denied: a token is needed here",
			`an anonymous client may not publish to "team:7": the rule of "team:*" lets user, token: `},
		{nil, hub.WhoServer, fault.Denied, "permission denied", `an anonymous client may not publish to "team:7": the rule of "team:*" lets server: `},
		{nil, 0, fault.Denied, "permission denied", `an anonymous client may not publish to "team:7": the rule of "team:*" lets nobody: `},
		{&access.Identity{User: "ada"}, hub.WhoToken, fault.Denied, "permission denied", `user "ada" may not publish to "team:7": the rule of "team:*" lets token: `},
	} {
		_, err := asking(t, ruleFor("team:*", access.Publish, c.list), access.Request{Who: c.who, Action: access.Publish, Channel: "team:7"})
		public := fault.From(err)
		if err == nil || public.Kind != c.kind || public.Message != c.public || fmt.Sprint(err) != c.full+c.public {
			t.Errorf("got kind %d, %q, %v; want kind %d, %q, %s", public.Kind, public.Message, err, c.kind, c.public, c.full)
		}
	}
}
