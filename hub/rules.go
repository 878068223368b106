package hub

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxChannelName is the longest channel name in bytes, inclusive.
const MaxChannelName = 255

// ErrChannelName is wrapped by the errors of [CheckChannel].
var ErrChannelName = errors.New("bad channel name")

// Rule says what may happen on the channels that its pattern matches.
type Rule struct {
	// Match is a pattern in which each * stands for any run of characters,
	// also an empty one. It may have [UserMark] once, behind which a character
	// follows or nothing; see [Rule.Owner]. There are no other special characters.
	Match string
	// ServerPublish lets the HTTP API publish.
	ServerPublish bool
	// ClientPublish lets every session publish.
	ClientPublish bool
	// Subscribe is who may subscribe by itself. Zero: WhoAnyone.
	Subscribe Who
	// Publish is who may publish, beside those of the two above.
	Publish Who
	// ReadHistory is who may read the history, and come back to what it has
	// missed. Zero: WhoSubscriber.
	ReadHistory Who
	// ReadPresence is who may read who is here. Zero: WhoSubscriber.
	ReadPresence Who
	// History is what the channel remembers. Zero: nothing.
	History History
	// Presence lets subscribers know who else is here, and tells them of those
	// who join and leave.
	Presence bool
}

// History bounds what a channel remembers: all bounds apply.
type History struct {
	Size  int           // messages; zero: no history
	TTL   time.Duration // age; zero with a Size: DefaultHistoryTTL
	Bytes int           // of messages, but the newest is kept whatever its size; zero with a Size: DefaultHistoryBytes
}

// DefaultHistoryTTL is the age that a history is bounded by when its rule names
// none.
const DefaultHistoryTTL = 10 * time.Minute

// DefaultHistoryBytes is the size that a history is bounded by when its rule names
// none.
const DefaultHistoryBytes = 4 << 20

// on reports whether there is a history.
func (h History) on() bool { return h.Size > 0 }

// Rules is an ordered list; the first rule that matches a channel applies.
type Rules []Rule

// DefaultRules lets anybody chat on one channel, and only the backend publish
// elsewhere: who may publish to whatever begins with a name can make as many
// channels as there are names, each with a history.
func DefaultRules() Rules {
	return Rules{
		{Match: "date", ServerPublish: true, History: History{Size: 60, TTL: time.Minute}},
		{Match: "chat", ServerPublish: true, ClientPublish: true, History: History{Size: 100, TTL: 24 * time.Hour}, Presence: true},
		{Match: "*", ServerPublish: true},
	}
}

// complete returns the rules with every default written out.
func (rs Rules) complete() Rules {
	rs = slices.Clone(rs)
	for i := range rs {
		if h := &rs[i].History; h.on() {
			h.TTL = cmp.Or(h.TTL, DefaultHistoryTTL)
			h.Bytes = cmp.Or(h.Bytes, DefaultHistoryBytes)
		}
		rs[i].completeWho()
	}
	return rs
}

// For returns the rule of a channel, which is not to be changed, or nil when none
// matches: such a channel does not exist.
func (rs Rules) For(channel string) *Rule {
	for i := range rs {
		if rs[i].matches(channel) {
			return &rs[i]
		}
	}
	return nil
}

// matches compares a rule with the name of a channel.
func (r *Rule) matches(channel string) bool {
	if strings.IndexByte(r.Match, '{') < 0 {
		return Matches(r.Match, channel)
	}
	before, user, after, owned := r.owner(channel)
	if !owned {
		return Matches(r.Match, channel)
	}
	return user != "" && Matches(after, channel[len(before)+len(user):])
}

// Matches compares a pattern of which only * is special with a name, in a time that
// grows with the product of their lengths at worst.
func Matches(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, first)
	if !ok {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], after
	}
}

// CheckChannel returns an error wrapping [ErrChannelName] that names the rule
// which a channel name breaks: 1 to [MaxChannelName] bytes of valid UTF-8
// without control characters.
func CheckChannel(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrChannelName)
	case len(name) > MaxChannelName:
		return fmt.Errorf("%w: it has %d bytes, at most %d are accepted", ErrChannelName, len(name), MaxChannelName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: it is not valid UTF-8", ErrChannelName)
	case strings.IndexFunc(name, unicode.IsControl) >= 0:
		return fmt.Errorf("%w: it holds a control character", ErrChannelName)
	}
	return nil
}
