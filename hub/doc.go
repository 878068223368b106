// Package hub carries messages from publishers to subscribers.
//
// A message has one path: [Hub.Publish] hands it to the [Broker], the broker
// brings it to the hub of every node, and each hub fans it out to its own
// subscribers. Publishing never writes to a subscriber, and writing to a
// subscriber never blocks: a [Subscriber] takes the frames or says no, and one
// that says no is evicted.
//
// # The promise
//
// In one channel every subscriber sees messages in the order in which the
// broker accepted them, none twice and none missing, from the moment
// [Hub.Subscribe] returns until the subscription is cancelled or the
// subscriber is evicted; in a channel without history, none missing but those that are
// named below. A publish that returns without error has been
// accepted by the broker; one that returns [ErrUnavailable] has not, unless the
// error is [ErrUnanswered] too.
//
// In a channel with a history ([Rule]) the broker gives each message its
// [Position]. A subscriber that comes back with its last position gets what it
// missed ([SubscribeOptions]), or is told that this cannot be had. A node that
// has missed messages, because its connection to the broker broke, reads them from
// the history and delivers them in order before anything newer; only when the
// history does not have them any more are its subscribers told ([Loser]). A gap
// that neither a newer message nor a broken connection shows is found within 80
// seconds, because every node compares positions.
//
// What can be lost: in a channel without history, messages that were accepted while a
// subscriber was away, of which it is not told; and while its node had lost the broker
// and had not subscribed again. Nobody can say whether there were any, so that all who
// were subscribed are told ([Loser]), once for each such time, but those of the date,
// which goes on. To keep such messages for the time of a reconnect would cost Redis five
// times the work for each publish.
//
// A publish that the broker took but whose answer did not arrive in time is
// reported as [ErrUnanswered] although it may be delivered; an idempotency key
// makes repeating it safe. A broker that comes back with an older copy of its
// data, or whose data somebody else wrote to, has lost messages: the numbering
// begins a new epoch before anything is numbered, and subscribers are told. What the
// broker brings and nobody can read is lost: in a channel with history its subscribers
// are told, in one without they are not.
//
// On a channel with presence ([Rule]) subscribers that say who they are
// ([SubscribeOptions]) are known on all nodes ([Hub.Presence]), and the others get a
// message when one joins or leaves. These messages have no position: who has missed
// some reads the presence again. While many come and go, what has changed is told once
// a second, in so many bytes at most: who stays is told of in the end, perhaps without
// infos, and who came and went meanwhile is not.
//
// # How a channel stays whole
//
// A node keeps for each of its channels the [Position] of the last message that it
// has queued. Whatever comes or does not come is compared with that. In the order in
// which it happens:
//
//   - subscribe.go: the first subscriber has the broker asked for the channel, and the
//     position at which its history is now is noted before anybody is let in.
//   - channel.go: of what the broker brings, the message that comes next is queued.
//     One that came before is dropped. One further on is dropped as well, and the
//     channel is handed to the repairers: nothing newer gets past a gap.
//   - repair.go: the repairers ask where histories are, many channels in one
//     question, read what came after the node's position, and queue that. When the
//     history does not reach back so far, or has another epoch, a mark is queued in
//     its place, and the channel goes on from where its history is.
//   - The repairers are asked by four: a message that shows a gap (channel.go), a
//     broker that had lost its connection ([Handler].HandleGap) or says that positions
//     may be others ([Handler].HandleDoubt), and check.go, which compares every position
//     within 40 seconds and so finds the gap that nothing shows.
//   - fanout.go: what is queued goes out in rounds, encoded once,
//     to the subscribers who joined before it was queued. At a mark they are told of
//     the loss.
//
// A subscriber who comes back joins first and recovers afterwards (recover.go). It is
// given the position at which it joined, and live messages after that wait until it
// starts (subscription.go), so that what is read of the history has one end: from the
// position that the subscriber brought to the one at which it joined. The first who
// comes back has the history read; for five seconds the others are served from that.
// When the subscriber has seen more than this node, which another node was faster to
// tell, the channel is repaired before it joins.
//
// What the broker has to do for this is in its interfaces (broker.go, stores.go), and
// package [belfry/hub/brokertest] holds a broker against them.
//
// The package knows neither HTTP nor Redis nor any client protocol: an [Encoder] turns
// messages into frames, once per wire format and not once per subscriber.
package hub
