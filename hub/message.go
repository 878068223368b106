package hub

import (
	"time"
)

// Message is what is published. It is shared by every subscriber and every
// encoder and so never changed once it has been published.
type Message struct {
	// Kind says what the message is; most are published.
	Kind Kind
	// Data is one JSON value in compact form.
	Data []byte
	// Tags are the publisher's own labels. Nil when there are none.
	Tags map[string]string
	// Info tells who published, joined or left. Nil when the backend published.
	Info *ClientInfo
	// Time is when the publish was accepted, in Unix milliseconds by the clock
	// of the publisher's node. What depends on age goes by other clocks.
	Time int64
	// Tick is the Unix second that a message of the date ticker strikes, zero
	// for all others. A channel drops a tick that it has already passed.
	Tick int64
	// Exclude is the ID of a subscriber that does not get this message.
	Exclude string
	// ExcludeUser is the ID of a user whose subscribers do not get this message. Empty:
	// everybody gets it.
	ExcludeUser string
	// Offset is the message's position in the channel's history, from 1.
	// Zero: the channel keeps none.
	Offset uint64
	// Epoch is the run of numbering that the Offset belongs to.
	Epoch string
	// Accepted is when the broker took the message, as near as this node knows,
	// by a clock that nobody sets. The broker sets it on messages that have an
	// offset. Zero: just now.
	Accepted time.Time

	// loss makes this a mark in a channel's queue, and no message: what was
	// here cannot be had.
	loss bool
}

// excludes reports whether a subscriber with an ID, of a user, does not get the message.
func (m *Message) excludes(id, user string) bool {
	return m.Exclude == id || m.ExcludeUser != "" && m.ExcludeUser == user
}

// Kind says what a message is.
type Kind uint8

const (
	KindPublished Kind = iota // what somebody published
	KindJoin                  // Info has joined the channel; there is no Data
	KindLeave                 // Info has left the channel; there is no Data
)

// ClientInfo tells who is behind a message or a subscription.
type ClientInfo struct {
	User   string // empty when anonymous
	Client string // the public ID of the session
	// ConnInfo and ChanInfo are JSON in compact form: what is known of the
	// client on all its channels, and on this one. Nil: nothing.
	ConnInfo, ChanInfo []byte
}

// nameSize is what a client has in an answer without its infos, in bytes, about: the
// client twice, the user, and the names of fields.
func (c *ClientInfo) nameSize() int { return PresenceName + 2*len(c.Client) + len(c.User) }

// PresenceName is what a client has in an answer at least, in bytes; see [NewPresence].
const PresenceName = 60

// Position is a place in a channel's history. The zero Position belongs to
// channels without history.
type Position struct {
	Epoch  string // which run of numbering; changes when the numbering is lost
	Offset uint64 // of the newest message, zero before the first
}
