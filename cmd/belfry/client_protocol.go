package main

import "encoding/json"

// command is what a client says in the Centrifuge protocol, as JSON
// (centrifugal/protocol, definitions/client.proto): an ID and one method.
type command struct {
	ID        uint32          `json:"id"`
	Connect   *connectRequest `json:"connect,omitempty"`
	Subscribe *channelRequest `json:"subscribe,omitempty"`
}

type connectRequest struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

type channelRequest struct {
	Channel string `json:"channel"`
}

// reply is what the server says: the answer to the command with the same ID, or
// a push.
type reply struct {
	ID      uint32         `json:"id"`
	Error   *replyError    `json:"error"`
	Connect *connectResult `json:"connect"`
	Push    *push          `json:"push"`
}

type replyError struct {
	Code      int    `json:"code"`
	Message   string `json:"message"`
	Temporary bool   `json:"temporary"`
}

type connectResult struct {
	Ping int  `json:"ping"` // seconds between pings of the server; 0: it sends none
	Pong bool `json:"pong"` // the server wants answers to its pings
}

// push is a reply that nobody asked for. Kinds that are not known are ignored.
type push struct {
	Channel     string       `json:"channel"`
	Pub         *message     `json:"pub"`
	Unsubscribe *unsubscribe `json:"unsubscribe"`
}

// message is one message of a channel.
type message struct {
	Channel string            `json:"channel"` // of the push
	Data    json.RawMessage   `json:"data"`
	Offset  uint64            `json:"offset,omitempty"` // 0: the channel keeps no history
	Info    json.RawMessage   `json:"info,omitempty"`   // who published; empty: the server
	Tags    map[string]string `json:"tags,omitempty"`
}

// unsubscribe says that the server ended a subscription.
type unsubscribe struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// resubscribe reports whether the client is meant to subscribe again.
func (u *unsubscribe) resubscribe() bool { return u.Code >= 2500 }
