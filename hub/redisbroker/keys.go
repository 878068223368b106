package redisbroker

import (
	"fmt"
	"strings"
)

// keys makes every name by which Redis knows things: keys and Pub/Sub channels. All
// begin with the prefix, of which sites that share a Redis need different ones.
type keys struct{ prefix string }

// topic is the Pub/Sub channel of a channel. The braces make Redis Cluster keep it
// and the channel's keys in one slot.
func (k keys) topic(channel string) string { return k.prefix + "{" + channel + "}" }

// channel is the inverse of topic.
func (k keys) channel(topic string) string {
	return strings.TrimSuffix(strings.TrimPrefix(topic, k.prefix+"{"), "}")
}

// stream holds the history of a channel, and position where it has got to.
func (k keys) stream(channel string) string   { return k.topic(channel) + ":stream" }
func (k keys) position(channel string) string { return k.topic(channel) + ":position" }

// once is that of an idempotency key. It holds the channel's length, because both
// names are free to look like parts of it.
func (k keys) once(channel, key string) string {
	return fmt.Sprintf("%sonce:%d:{%s}:%s", k.prefix, len(channel), channel, key)
}

// The leases are in three sets: those in force by their ends, those whose members
// have still to be taken out, and those that others have ended.
func (k keys) leases() string      { return k.prefix + "leases" }
func (k keys) deadLeases() string  { return k.prefix + "leases:dead" }
func (k keys) endedLeases() string { return k.prefix + "leases:ended" }

// channelsUnder holds the names of the channels on which a lease has members.
func (k keys) channelsUnder(lease string) string { return k.prefix + "lease:" + lease }

// members holds the members of a channel under a lease, by client, and users how many
// they are, by user.
func (k keys) members(channel, lease string) string { return k.topic(channel) + ":members:" + lease }
func (k keys) users(channel, lease string) string   { return k.topic(channel) + ":users:" + lease }

// allNodes is the Pub/Sub channel that every node listens to. No channel's topic
// is like it or like that of a node, because those have a brace behind the prefix.
func (k keys) allNodes() string { return k.prefix + "nodes" }

// oneNode is the Pub/Sub channel of a single node.
func (k keys) oneNode(node string) string { return k.prefix + "node:" + node }

// isSignals reports whether a Pub/Sub channel that this node listens to brings
// signals, and not the messages of a channel.
func (k keys) isSignals(topic string) bool { return !strings.HasPrefix(topic, k.prefix+"{") }
