package redisbroker

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// keys makes every name by which Redis knows things: keys and Pub/Sub channels. All
// begin with the prefix, of which sites that share a Redis need different ones.
//
// Redis Cluster chooses the slot of a key by its hash tag, which is what stands
// between the first brace that opens and the next that closes, or by the whole key
// when that is nothing. So all that is kept of one channel, and its Pub/Sub channel,
// has the channel's name in the first braces. A name that begins with a closing
// brace would leave nothing between them, and stands there in hexadecimal.
type keys struct {
	prefix  string
	selects bool // the database is another than 0
}

// hexed stands between the prefix and the braces of a name in hexadecimal, of which
// another channel may be the name.
const hexed = "hex:"

// tagged returns what a channel's keys have in their first braces, braces included,
// and what stands before it.
func tagged(channel string) (before, tag string) {
	if strings.HasPrefix(channel, "}") {
		return hexed, "{" + hex.EncodeToString([]byte(channel)) + "}"
	}
	return "", "{" + channel + "}"
}

// topic is the Pub/Sub channel of a channel.
func (k keys) topic(channel string) string {
	before, tag := tagged(channel)
	return k.prefix + before + tag
}

// channel is the inverse of topic. It returns false for the topics over which nodes
// talk to one another.
func (k keys) channel(topic string) (channel string, ok bool) {
	name := strings.TrimPrefix(topic, k.prefix)
	if tag, found := strings.CutPrefix(name, hexed); found {
		decoded, err := hex.DecodeString(strings.Trim(tag, "{}"))
		return string(decoded), err == nil
	}
	if !strings.HasPrefix(name, "{") {
		return "", false
	}
	return strings.TrimSuffix(name[1:], "}"), true
}

// stream holds the history of a channel, and position where it has got to.
func (k keys) stream(channel string) string   { return k.topic(channel) + ":stream" }
func (k keys) position(channel string) string { return k.topic(channel) + ":position" }

// once is that of an idempotency key. It holds the channel's length, because both
// names are free to look like parts of it.
func (k keys) once(channel, key string) string {
	_, tag := tagged(channel)
	return fmt.Sprintf("%sonce:%d:%s:%s", k.prefix, len(channel), tag, key)
}

// probe is never there: a replica refuses to delete it.
func (k keys) probe() string { return k.prefix + "probe" }

// begun is what the names of traces begin with; see begin.lua.
func (k keys) begun() string { return k.prefix + "begun:" }

// members holds the members of a channel under a lease, by client, and users how many
// they are, by user.
func (k keys) members(channel, lease string) string { return k.topic(channel) + ":members:" + lease }
func (k keys) users(channel, lease string) string   { return k.topic(channel) + ":users:" + lease }

// The leases are in three sets: those in force by their ends, those whose members
// have still to be taken out, and those that others have ended.
func (k keys) leases() string      { return k.prefix + "leases" }
func (k keys) deadLeases() string  { return k.prefix + "leases:dead" }
func (k keys) endedLeases() string { return k.prefix + "leases:ended" }

// channelsUnder holds the names of the channels on which a lease has members.
func (k keys) channelsUnder(lease string) string { return k.prefix + "lease:" + lease }

// record says which generation and term the numberings belong to, and asking which
// nodes have asked for that; counter counts the messages of a term. See vouch.lua.
func (k keys) record() string             { return k.prefix + "vouched" }
func (k keys) asking() string             { return k.prefix + "vouched:nodes" }
func (k keys) counter(term string) string { return k.prefix + "vouched:count:" + term }

// notes holds what every node has to know; see notes.lua.
func (k keys) notes() string { return k.prefix + "notes" }

// allNodes is the Pub/Sub channel that every node listens to, and oneNode that of a
// single node. No channel has one like these.
func (k keys) allNodes() string           { return k.prefix + "nodes" }
func (k keys) oneNode(node string) string { return k.prefix + "node:" + node }

// counts is the Pub/Sub channel on which nodes tell one another how far the counter has
// got. No channel has one like it.
func (k keys) counts() string { return k.prefix + "counts" }
