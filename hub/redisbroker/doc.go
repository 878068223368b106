// Package redisbroker is the broker of several nodes: messages travel by the
// Pub/Sub of one Redis, which also keeps histories, positions and who is present, and
// carries calls between nodes.
//
// # What does what
//
//   - client.go is the way to Redis: its options, timeouts and scripts. examine looks
//     at a Redis that was just connected to.
//   - keys.go makes every key and Pub/Sub channel.
//   - answers.go says what errors of Redis mean for a call, and refusals.go remembers
//     those that keep a node from its work, for [Broker.Ready] and the log.
//   - publish.go and lane.go take messages to Redis, many in one round trip;
//     publish.lua gives a message its position, keeps it and sends it to all nodes, in
//     one step, and append.lua does for those that follow another. envelope.go is how
//     they travel.
//   - vouch.go finds out whether the Redis that is there has everything that was
//     acknowledged, and says why that works; vouch.lua keeps the record, and conns.go
//     closes what leads to another. follow.go looks whether the address does.
//   - rights.go finds out whether the Redis that is there can serve at all, with
//     rights.lua, before anything is written.
//   - pubsub.go keeps the one connection over which messages come, and knows when there
//     was a gap; interest.go is what is subscribed to over it, and signal.go what nodes
//     tell one another.
//   - history.go reads what is kept, and position.lua where it ends; begin.lua is the
//     epoch of channels of which nothing is kept.
//   - presence.go counts who is there, and roll.go reads them, page by page
//     (members.lua); members.go is what this node has to say about that, keeper.go
//     says it under a lease (lease.lua, member.lua), and reaper.go takes out the
//     clients of a node that is gone (reap.lua).
//
// # What it promises
//
// A publish is answered within two seconds. It was accepted; or nothing was done,
// with the reason ([hub.RefusedError]); or its answer did not come
// ([hub.ErrUnanswered]). Redis may restart with its data, stand still, be cut off, run
// out of memory: what was accepted is kept and comes in order. When it has lost its
// data, or somebody has written to it, the numbering of a channel begins anew, which
// its subscribers are told; so it does when nobody can vouch for what it has.
//
// A client is forgotten within the presence's time to live after its node died, and
// at once when the node has stopped.
//
// # What it needs
//
// One Redis, 6.2 or newer. A node whose Redis is in cluster mode, a replica or a
// Sentinel, or does not let it run every command on keys and Pub/Sub channels that
// begin with the prefix, is not ready and says why. Before 7, Redis cannot say which
// commands it would refuse: what a script meets then may be behind a message that is
// kept, and the publisher is told that it is not known.
package redisbroker
