package hub_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

func TestRuleMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, channel string
		want             bool
	}{
		{"date", "date", true},
		{"date", "dates", false},
		{"date", "Date", false},
		{"date", "", false},
		{"", "date", false},
		{"*", "date", true},
		{"*", "", true},
		{"**", "date", true},
		{"chat*", "chat", true},
		{"chat*", "chat:1", true},
		{"chat*", "cha", false},
		{"chat*", "my chat", false},
		{"*:log", "a:log", true},
		{"*:log", "a:log:b", false},
		{"*:log", ":log", true},
		{"a*b", "ab", true},
		{"a*b", "aab", true},
		{"a*b", "abc", false},
		{"a*b", "a", false},
		{"a*a", "a", false}, // one character is not both ends
		{"a*a", "aa", true},
		{"ab*ba", "aba", false},
		{"a*b*c", "a b c", true},
		{"a*b*c", "a c b", false},
		{"a*b*b", "ab", false},
		{"a*bc*c", "abcbc", true},
		{"a*b*", "ab", true},
		{"*a*", "bab", true},
		{"*a*", "bbb", false},
		{"news.?", "news.a", false}, // only the star is special
		{"news.[ab]", "news.a", false},
		{"a.c", "abc", false},
		{"鐘*", "鐘楼", true},
	} {
		t.Run(c.pattern+" "+c.channel, func(t *testing.T) {
			if got := (hub.Rules{{Match: c.pattern}}).For(c.channel) != nil; got != c.want {
				t.Errorf("pattern %q matches %q: %t, want %t", c.pattern, c.channel, got, c.want)
			}
		})
	}
}

// A pattern with many stars is where a careless matcher never ends.
func TestRuleMatchesInTime(t *testing.T) {
	pattern, name := strings.Repeat("*a", 100)+"*b", strings.Repeat("a", hub.MaxChannelName)
	start := time.Now()
	if (hub.Rules{{Match: pattern}}).For(name) != nil {
		t.Error("the pattern matches a name without its last character")
	}
	if took := time.Since(start); took > hubtest.Soon {
		t.Errorf("it took %s", took)
	}
}

func TestFirstRuleApplies(t *testing.T) {
	rules := hub.Rules{
		{Match: "chat:staff", ServerPublish: true},
		{Match: "chat*", ClientPublish: true},
	}
	for _, c := range []struct {
		channel        string
		server, client bool
		err            error
	}{
		{"chat:staff", true, false, nil},
		{"chat:all", false, true, nil},
		{"news", false, false, hub.ErrUnknownChannel},
		{"", false, false, hub.ErrChannelName},
	} {
		t.Run(c.channel, func(t *testing.T) {
			rule, err := hub.New(hub.Options{Rules: rules}).Rule(c.channel)
			if rule == nil {
				rule = new(hub.Rule)
			}
			if rule.ServerPublish != c.server || rule.ClientPublish != c.client || !errors.Is(err, c.err) {
				t.Errorf("Rule(%q) = %+v, %v; want server %t, client %t, %v", c.channel, rule, err, c.server, c.client, c.err)
			}
		})
	}
}

func TestDefaultRules(t *testing.T) {
	for channel, clients := range map[string]bool{"date": false, "chat": true, "chat:1": false, "chatter": false, "news": false} {
		if rule := hub.DefaultRules().For(channel); rule == nil || !rule.ServerPublish || rule.ClientPublish != clients {
			t.Errorf("rule of %q = %+v; want that servers may publish, clients %t", channel, rule, clients)
		}
	}
}

// Brokers need not know any default: the rules of a hub have them written out,
// and the list that it was made of stays as it was.
func TestRulesAreComplete(t *testing.T) {
	rules := hub.Rules{{Match: "kept", History: hub.History{Size: 5}}, {Match: "*"}}
	h := hub.New(hub.Options{Rules: rules})
	for channel, want := range map[string]hub.History{"kept": {Size: 5, TTL: hub.DefaultHistoryTTL, Bytes: hub.DefaultHistoryBytes}, "other": {}} {
		if rule, err := h.Rule(channel); err != nil || rule.History != want {
			t.Errorf("the history of %q is %+v, %v; want %+v", channel, rule.History, err, want)
		}
	}
	if rules[0].History.TTL != 0 {
		t.Error("the rules that were given have changed")
	}
}
