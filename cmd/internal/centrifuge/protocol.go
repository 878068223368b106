package centrifuge

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Ping is the line that a server sends to see whether the client is there, and the
// client's answer to it.
const Ping = "{}"

// Command is what a client says: an ID, from 1, and one of the methods. The first
// command of a connection is connect; others may follow in the same frame.
type Command struct {
	ID          uint32            `json:"id"`
	Connect     *ConnectRequest   `json:"connect,omitempty"`
	Subscribe   *SubscribeRequest `json:"subscribe,omitempty"`
	Unsubscribe *ChannelRequest   `json:"unsubscribe,omitempty"`
}

// ConnectRequest says who connects. Name and version are for the server's log.
type ConnectRequest struct {
	Token   string `json:"token,omitempty"` // of a user; empty: nobody in particular
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

// SubscribeRequest names a channel and, to get what was missed since, the position
// of the last message.
type SubscribeRequest struct {
	Channel string `json:"channel"`
	Recover bool   `json:"recover,omitempty"`
	Epoch   string `json:"epoch,omitempty"`
	Offset  uint64 `json:"offset,omitempty"`
}

// ChannelRequest names a channel.
type ChannelRequest struct {
	Channel string `json:"channel"`
}

// Frame returns commands as they are sent together. The text of channels is sent
// as it was given, not escaped for HTML.
func Frame(commands ...Command) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b) // ends each with a newline
	e.SetEscapeHTML(false)
	for _, c := range commands {
		if err := e.Encode(c); err != nil {
			panic(err) // strings and numbers
		}
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Reply is what the server says: the answer to the command with the same ID, or a
// push, which has ID 0. A field is nil when it is not of this kind.
type Reply struct {
	ID        uint32           `json:"id"`
	Error     *Error           `json:"error"` // the command was refused
	Connect   *ConnectResult   `json:"connect"`
	Subscribe *SubscribeResult `json:"subscribe"`
	Push      *Push            `json:"push"`
}

// CodeExpired is that of an error which says that the token has expired.
const CodeExpired = 109

// Error says why a command was refused.
type Error struct {
	Code      int    `json:"code"`
	Message   string `json:"message"`
	Temporary bool   `json:"temporary"` // the same command may be accepted later
}

// Error has the message and the code as the server has them.
func (e *Error) Error() string {
	return fmt.Sprintf("the server refuses a command: %s (%d)", e.Message, e.Code)
}

// ConnectResult says what the server will do on this connection.
type ConnectResult struct {
	Ping int  `json:"ping"` // seconds between pings of the server; 0: it sends none
	Pong bool `json:"pong"` // the server wants answers to its pings
}

// SubscribeResult is the position at which a subscription begins. In a channel
// without history there is none, and the epoch is empty.
type SubscribeResult struct {
	Epoch         string        `json:"epoch"`
	Offset        uint64        `json:"offset"`
	WasRecovering bool          `json:"was_recovering"` // the command named a position
	Recovered     bool          `json:"recovered"`      // and nothing since is missing
	Publications  []Publication `json:"publications"`   // since then, in order
}

// Push is a reply that nobody asked for. Kinds that are not known are ignored.
type Push struct {
	Channel     string       `json:"channel"`
	Pub         *Publication `json:"pub"`
	Unsubscribe *Unsubscribe `json:"unsubscribe"`
}

// Publication is one message of a channel.
type Publication struct {
	Channel string            `json:"channel"` // of the push: a server leaves it empty
	Data    json.RawMessage   `json:"data"`
	Offset  uint64            `json:"offset,omitempty"` // 0: the channel keeps no history
	Info    json.RawMessage   `json:"info,omitempty"`   // who published; empty: the server
	Tags    map[string]string `json:"tags,omitempty"`
}

// Unsubscribe says that the server ended a subscription.
type Unsubscribe struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// Resubscribe reports whether the client is meant to subscribe again: the server
// has lost messages of the channel. Other codes are for good.
func (u *Unsubscribe) Resubscribe() bool { return u.Code >= 2500 }
