package redisbroker

import (
	"strings"
	"testing"
)

// names are channels that look like parts of keys, or like nothing at all.
var names = []string{
	"chat", "nodes", "node:x", "lease:x", "leases", "hex:7d", "hex:{7d}", "belfry:nodes", "belfry:{chat}", "belfry:hex:{7d}",
	"{chat}", "{chat", "chat}", "ch{a}t", "ch}a{t", "{", "}", "{}", "}{", "}{}", "}}", "{{", "}chat", "}{chat}", "{}chat", "7d", "鐘}",
}

// No name makes a channel's topic look like one that nodes listen to, or like that
// of another channel, and each comes back from its topic.
func TestTopicsAreApart(t *testing.T) {
	k := keys{prefix: "belfry:"}
	topics := make(map[string]string)
	for _, name := range names {
		topic := k.topic(name)
		if got, ok := k.channel(topic); got != name || !ok {
			t.Errorf("the topic %q of %q is that of %q, %t", topic, name, got, ok)
		}
		if other, taken := topics[topic]; taken {
			t.Errorf("%q and %q have the topic %q", name, other, topic)
		}
		topics[topic] = name
	}
	for _, topic := range []string{k.allNodes(), k.oneNode("s"), k.oneNode("hex:{7d}")} {
		if channel, ok := k.channel(topic); ok {
			t.Errorf("the topic %q of nodes is that of the channel %q", topic, channel)
		}
	}
}

// tag is the part of a key by which Redis chooses the slot.
func tag(key string) string {
	_, rest, open := strings.Cut(key, "{")
	tag, _, closed := strings.Cut(rest, "}")
	if !open || !closed || tag == "" {
		return key
	}
	return tag
}

// What a script touches of a channel is in one slot, whatever the name.
func TestKeysOfAChannelAreInOneSlot(t *testing.T) {
	k := keys{prefix: "belfry:"}
	for _, name := range names {
		want := tag(k.topic(name))
		for _, key := range []string{k.stream(name), k.position(name), k.once(name, "}{k"), k.members(name, "n.1"), k.users(name, "n.1")} {
			if got := tag(key); got != want {
				t.Errorf("of %q the key %q has the tag %q, and the topic %q", name, key, got, want)
			}
		}
	}
}

// Nodes of the version before find under these names what they have kept.
func TestKeysStayAsTheyAre(t *testing.T) {
	k := keys{prefix: "belfry:"}
	for _, c := range []struct{ got, want string }{
		{k.topic("chat"), "belfry:{chat}"},
		{k.stream("chat"), "belfry:{chat}:stream"},
		{k.position("c{h}at"), "belfry:{c{h}at}:position"},
		{k.once("chat", "k"), "belfry:once:4:{chat}:k"},
		{k.members("chat", "n.1"), "belfry:{chat}:members:n.1"},
		{k.users("{chat", "n.1"), "belfry:{{chat}:users:n.1"},
		{k.leases(), "belfry:leases"},
		{k.deadLeases(), "belfry:leases:dead"},
		{k.endedLeases(), "belfry:leases:ended"},
		{k.channelsUnder("n.1"), "belfry:lease:n.1"},
		{k.allNodes(), "belfry:nodes"},
		{k.oneNode("n"), "belfry:node:n"},
	} {
		if c.got != c.want {
			t.Errorf("a key is %q, and was %q", c.got, c.want)
		}
	}
}
