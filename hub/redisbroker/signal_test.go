package redisbroker

import "testing"

// No name makes a channel's topic look like one that nodes listen to, and each
// comes back from its topic.
func TestTopicsAreApart(t *testing.T) {
	b := &Broker{prefix: "belfry:"}
	for _, name := range []string{"nodes", "node:x", "chat", "{chat}", "chat}", "{", "}", "}{", "belfry:nodes", "belfry:{chat}"} {
		topic := b.topic(name)
		if got := b.channel(topic); got != name || b.isSignals(topic) {
			t.Errorf("the topic %q of %q is that of %q, for signals: %t", topic, name, got, b.isSignals(topic))
		}
		if topic := b.oneNode(name); !b.isSignals(topic) || topic == b.allNodes() {
			t.Errorf("the topic %q of a node is not its own", topic)
		}
	}
}
