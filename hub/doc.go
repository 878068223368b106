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
// subscriber is evicted. A publish that returns without error has been
// accepted by the broker; one that returns [ErrUnavailable] has not, unless the
// error is [ErrUnanswered] too.
//
// In a channel with a history ([Rule]) the broker gives each message its
// [Position]. A subscriber that comes back with its last position gets what it
// missed ([SubscribeOptions]), or is told that this cannot be had. A node that
// has missed messages, because its connection to Redis broke, reads them from
// the history and delivers them in order before anything newer; only when the
// history does not have them any more are its subscribers told ([Loser]). A gap
// that neither a newer message nor a broken connection shows is found within 80
// seconds, because every node compares positions.
//
// What can be lost: in a channel without history, messages published while a
// subscriber is away, or while a node has lost Redis and has not subscribed
// again. A publish that Redis took but whose answer did not arrive in time is
// reported as [ErrUnanswered] although it may be delivered; an idempotency key
// makes repeating it safe. A Redis that comes back with an older copy of its
// data, or that somebody else wrote to, has lost messages: the numbering begins
// a new epoch and subscribers are told.
//
// On a channel with presence ([Rule]) subscribers that say who they are
// ([SubscribeOptions]) are known on all nodes ([Hub.Presence]), and the others get a
// message when one joins or leaves. These messages have no position: who has missed
// some reads the presence again.
//
// The package knows neither HTTP nor any client protocol: an [Encoder] turns
// messages into frames, once per wire format and not once per subscriber.
package hub
