package hub_test

import (
	"testing"

	"belfry/hub"
)

// TestUserMark wants the channels of a user to have one owner, and no name in the place
// of an ID to match where there is none.
func TestUserMark(t *testing.T) {
	for _, c := range []struct {
		pattern, channel string
		matches          bool
		owner            string
	}{
		{"user:{user}", "user:ada", true, "ada"},
		{"user:{user}", "user:", false, ""},
		{"user:{user}", "user:a:b", true, "a:b"}, // all the rest
		{"user:{user}", "users:ada", false, ""},
		{"user:{user}:*", "user:ada:mail", true, "ada"},
		{"user:{user}:*", "user:ada:", true, "ada"},
		{"user:{user}:*", "user:ada", false, ""},
		{"user:{user}:*", "user::mail", false, ""},
		{"user:{user}:*", "user:a:b:c", true, "a"}, // never a:b
		{"user:{user}:in*x", "user:ada:inbox", true, "ada"},
		{"user:{user}:in*x", "user:ada:outbox", false, ""},
		{"{user}", "ada", true, "ada"},
		{"{user}", "*", true, "*"},
		{"{user}:*", "*:x", true, "*"},
		{"{user}鐘*", "ada鐘楼", true, "ada"},
		{"user:{user}:{user}", "user:ada:bob", false, ""}, // one alone is special
		{"{users}", "{users}", true, ""},
		{"{users}", "ada", false, ""},
		{"news", "news", true, ""},
	} {
		t.Run(c.pattern+" "+c.channel, func(t *testing.T) {
			rule := (hub.Rules{{Match: c.pattern}}).For(c.channel)
			if (rule != nil) != c.matches {
				t.Fatalf("it matches: %t, want %t", rule != nil, c.matches)
			}
			if rule == nil {
				return
			}
			if owner, owned := rule.Owner(c.channel); owner != c.owner || owned != (c.owner != "") {
				t.Errorf("the owner is %q, %t; want %q", owner, owned, c.owner)
			}
		})
	}
}

// TestWhoIsComplete writes the defaults of who may do what out.
func TestWhoIsComplete(t *testing.T) {
	for name, c := range map[string]struct{ rule, want hub.Rule }{
		"nothing": {hub.Rule{}, hub.Rule{Subscribe: hub.WhoAnyone, ReadHistory: hub.WhoSubscriber, ReadPresence: hub.WhoSubscriber}},
		"both": {hub.Rule{ServerPublish: true, ClientPublish: true},
			hub.Rule{Subscribe: hub.WhoAnyone, Publish: hub.WhoServer | hub.WhoAnyone, ReadHistory: hub.WhoSubscriber, ReadPresence: hub.WhoSubscriber}},
		"all": {hub.Rule{Subscribe: hub.WhoToken, Publish: hub.WhoUser, ReadHistory: hub.WhoServer, ReadPresence: hub.WhoUser},
			hub.Rule{Subscribe: hub.WhoToken, Publish: hub.WhoUser, ReadHistory: hub.WhoServer, ReadPresence: hub.WhoUser}},
	} {
		c.rule.Match = "*"
		got, err := hub.New(hub.Options{Rules: hub.Rules{c.rule}}).Rule("x")
		if err != nil || got.Subscribe != c.want.Subscribe || got.Publish != c.want.Publish ||
			got.ReadHistory != c.want.ReadHistory || got.ReadPresence != c.want.ReadPresence {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

// TestWhoNames wants every kind to have a word that is read back.
func TestWhoNames(t *testing.T) {
	all := hub.WhoAnyone | hub.WhoUser | hub.WhoToken | hub.WhoSubscriber | hub.WhoServer
	if got := all.String(); got != "anyone, user, token, subscriber, server" {
		t.Error(got)
	}
	for _, w := range []hub.Who{hub.WhoAnyone, hub.WhoUser, hub.WhoToken, hub.WhoSubscriber, hub.WhoServer} {
		if got := hub.ParseWho(w.String()); got != w {
			t.Errorf("%s is read as %s", w, got)
		}
	}
	if hub.ParseWho("client") != 0 || hub.ParseWho("") != 0 {
		t.Error("another word is read")
	}
}
