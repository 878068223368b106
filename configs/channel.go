package configs

import (
	"encoding/json"
	"slices"
)

// Channel is the rule of the channels whose names match a pattern. Its lists of who
// may do something have words of [whoWords], each once; an empty one is a default that
// [Config.InForce] writes out.
type Channel struct {
	// Match is a channel's name, in which each * stands for any run of
	// characters, also an empty one; 1 to 255 bytes, no control characters. {user}
	// stands for the ID of a user, once, behind no * and before none: the channel is
	// that user's, and what a list lets users do it lets this one alone.
	Match string `json:"match"`
	// Subscribe lists who may hear the channel. Default: [Anyone], or [User] where
	// there are users.
	Subscribe []string `json:"subscribe" yaml:"subscribe,omitempty"`
	// Publish lists who may. Default: [Server].
	Publish []string `json:"publish" yaml:"publish,omitempty"`
	// History is what the channel remembers, so that clients which come back get
	// what they missed.
	History History `json:"history"`
	// Presence lets subscribers know who else is on the channel, and tells them
	// of those who join and leave.
	Presence ChannelPresence `json:"presence"`
}

// History bounds what a channel remembers; all bounds apply.
type History struct {
	// Size is a number of messages, 0 to 10,000. 0: the channel remembers none.
	Size int `json:"size"`
	// TTL is the age of messages, 1s to 720h. 0 stands for 10m.
	TTL Age `json:"ttl"`
	// Bytes is what the messages have in all, 1KiB to 1GiB. 0 stands for 4MiB.
	Bytes Size `json:"bytes"`
	// Read lists who may read it, and come back to what it missed. Default:
	// [Subscriber].
	Read []string `json:"read" yaml:"read,omitempty"`
}

// ChannelPresence is what a channel tells of who is there. Its text is true, false, or
// a mapping with who may read it, which switches it on.
type ChannelPresence struct {
	On bool `json:"-"`
	// Read lists who may read it. Default: [Subscriber].
	Read []string `json:"read"`
}

// turn implements [switchable].
func (p *ChannelPresence) turn(on bool) { p.On = on }

// MarshalYAML is false, true or the mapping.
func (p ChannelPresence) MarshalYAML() (any, error) { return p.value(), nil }

func (p ChannelPresence) value() any {
	if len(p.Read) == 0 || !p.On {
		return p.On
	}
	return map[string][]string{"read": p.Read}
}

// Who may do something.
const (
	Anyone     = "anyone"     // every client
	User       = "user"       // one whose token has a user
	Token      = "token"      // one whose token names the channel
	Subscriber = "subscriber" // one that is subscribed to the channel
	Server     = "server"     // a backend, with the API key
	Client     = "client"     // in publish, another word for Anyone
)

// whoWords are the words of lists of who may do something.
var whoWords = []string{Anyone, User, Token, Subscriber, Server}

// InForce returns the configuration with the defaults of rules written out, as they
// are in force.
func (c Config) InForce() Config {
	c.Channels = slices.Clone(c.Channels)
	for i := range c.Channels {
		r := &c.Channels[i]
		r.Subscribe = orDefault(r.Subscribe, c.subscribers(r.Match))
		r.Publish = orDefault(r.Publish, Server)
		if r.History.Size > 0 {
			r.History.Read = orDefault(r.History.Read, Subscriber)
		}
		if r.Presence.On {
			r.Presence.Read = orDefault(r.Presence.Read, Subscriber)
		}
	}
	return c
}

func orDefault(list []string, word string) []string {
	if len(list) == 0 {
		return []string{word}
	}
	return list
}

// subscribers is who may subscribe by a rule that does not say.
func (c Config) subscribers(match string) string {
	if hasUser(match) || len(c.Tokens.Keys) > 0 {
		return User
	}
	return Anyone
}

// whoList is a list of a rule, with its key.
type whoList struct {
	key   string
	words []string
}

// lists are those of a rule that has a key.
func (r *Channel) lists(key string) []whoList {
	return []whoList{{key + ".subscribe", r.Subscribe}, {key + ".publish", r.Publish},
		{key + ".history.read", r.History.Read}, {key + ".presence.read", r.Presence.Read}}
}

// MarshalJSON is the same as MarshalYAML.
func (p ChannelPresence) MarshalJSON() ([]byte, error) { return json.Marshal(p.value()) }
