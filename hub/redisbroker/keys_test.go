package redisbroker

import "testing"

// No name makes a channel's topic look like one that nodes listen to, and each
// comes back from its topic.
func TestTopicsAreApart(t *testing.T) {
	k := keys{"belfry:"}
	for _, name := range []string{"nodes", "node:x", "chat", "{chat}", "chat}", "{", "}", "}{", "belfry:nodes", "belfry:{chat}"} {
		topic := k.topic(name)
		if got := k.channel(topic); got != name || k.isSignals(topic) {
			t.Errorf("the topic %q of %q is that of %q, for signals: %t", topic, name, got, k.isSignals(topic))
		}
		if topic := k.oneNode(name); !k.isSignals(topic) || topic == k.allNodes() {
			t.Errorf("the topic %q of a node is not its own", topic)
		}
	}
}
