package hub_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"belfry/hub"
)

// FuzzRules: a pattern matches the names that the regular expression of its meaning
// does, the first rule that matches applies, and the hub has channels of good names
// alone.
func FuzzRules(f *testing.F) {
	for _, c := range [][2]string{
		{"chat", "chat"}, {"chat*", "chat:1"}, {"*", ""}, {"**", "x"}, {"a*b*c", "abbc"}, {"*a", "aa"}, {"a*a", "a"},
		{"*ab*", "aab"}, {"", ""}, {"*\xff", "\xff"}, {"a.b", "axb"}, {"[a]", "a"}, {"a\n*", "a\nb"}, {"*\x00", "\x00"},
	} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		rules := hub.Rules{{Match: pattern, ClientPublish: true}, {Match: "*", ServerPublish: true}}
		rule := rules.For(name)
		if rule == nil {
			t.Fatalf("no rule for %q", name)
		}
		if utf8.ValidString(pattern) && utf8.ValidString(name) { // regexp takes bad bytes for one another
			parts := strings.Split(pattern, "*")
			for i := range parts {
				parts[i] = regexp.QuoteMeta(parts[i])
			}
			want := regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$").MatchString(name)
			if rule.ClientPublish != want {
				t.Errorf("%q matches %q: %t, want %t", pattern, name, rule.ClientPublish, want)
			}
		}
		if err := hub.CheckChannel(name); err == nil && (name == "" || len(name) > hub.MaxChannelName || !utf8.ValidString(name)) {
			t.Errorf("%q is a good name", name)
		}
	})
}
