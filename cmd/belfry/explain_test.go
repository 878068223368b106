package main

import (
	"strings"
	"testing"
)

// TestConfigExplain says who may do what on channels of each kind.
func TestConfigExplain(t *testing.T) {
	file := writeFile(t, `tokens: {keys: [{name: main, algorithm: HS256, secret: "0123456789abcdef0123456789abcdef"}]}
channels:
  - match: "user:{user}:*"
    publish: [server, user]
    history: {size: 10}
  - match: "team:*"
    subscribe: [token]
    publish: [subscriber]
    history: {size: 10, read: [user]}
    presence: {read: [anyone]}
  - match: chat
    subscribe: [anyone]
    publish: [client]
`)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"chat"}, `channel chat has the rule with match "chat" (FILE:11)

                            subscribe  publish  history  presence
anyone                      yes        yes      -        -
any user                    yes        yes      -        -
with a token that names it  yes        yes      -        -
a subscriber                yes        yes      -        -
the server                  yes        no       -        -
`},
		{[]string{"team:7", "--user", "ada"}, `channel team:7 has the rule with match "team:*" (FILE:6)

                            subscribe  publish  history  presence
anyone                      no         no       no       yes
any user                    no         no       yes      yes
user ada                    no         no       yes      yes
with a token that names it  yes        no       no       yes
a subscriber                no         yes      no       yes
the server                  yes        no       yes      yes
`},
		{[]string{"user:ada:mail", "--user", "bob"}, `channel user:ada:mail has the rule with match "user:{user}:*" (FILE:3)

                            subscribe  publish  history  presence
anyone                      no         no       no       -
user ada                    yes        yes      no       -
any other user              no         no       no       -
user bob                    no         no       no       -
with a token that names it  no         no       no       -
a subscriber                no         no       yes      -
the server                  yes        yes      yes      -
`},
	} {
		got := runConfig(t, nil, append([]string{"explain", "--config", file}, c.args...)...)
		if want := strings.ReplaceAll(c.want, "FILE", file); got.code != 0 || got.out != want {
			t.Errorf("%q: got %+v, want\n%s", c.args, got, want)
		}
	}
	if got := runConfig(t, nil, "explain", "--config", file, "news"); got.code != 1 || got.err != "belfry: channel \"news\": no rule matches, and so it does not exist\n" {
		t.Errorf("a channel without a rule: %+v", got)
	}
	if got := runConfig(t, nil, "explain", "a\n"); got.code != 2 || !strings.Contains(got.err, "control character") {
		t.Errorf("a bad name: %+v", got)
	}
	if got := runConfig(t, nil, "explain", "chat"); got.code != 0 || !strings.HasPrefix(got.out, "channel chat has the rule with match \"chat\"\n") {
		t.Errorf("by the defaults: %+v", got)
	}
}
