package hub

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Who is a set of kinds of those who use a channel. The hub keeps it with the rules,
// and asks nobody who he is: whoever lets clients in does.
type Who uint8

const (
	WhoAnyone     Who = 1 << iota // every client, also one that has not said who it is
	WhoUser                       // a client that has said which user it is
	WhoToken                      // one that has shown a token which names the channel
	WhoSubscriber                 // one that is subscribed to the channel
	WhoServer                     // the backend
)

// whoNames are the words for the kinds, in the order of their values.
var whoNames = [...]string{"anyone", "user", "token", "subscriber", "server"}

// Has reports whether a set has one of the kinds of another.
func (w Who) Has(kinds Who) bool { return w&kinds != 0 }

// String names the kinds with commas between them, as [ParseWho] reads each.
func (w Who) String() string {
	var names []string
	for i, name := range whoNames {
		if w.Has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// ParseWho reads the word for a kind: anyone, user, token, subscriber or server. It
// returns zero for any other.
func ParseWho(name string) Who {
	i := slices.Index(whoNames[:], name)
	if i < 0 {
		return 0
	}
	return 1 << i
}

// completeWho writes out the defaults of who may do what.
func (r *Rule) completeWho() {
	if r.Subscribe == 0 {
		r.Subscribe = WhoAnyone
	}
	if r.ServerPublish {
		r.Publish |= WhoServer
	}
	if r.ClientPublish {
		r.Publish |= WhoAnyone
	}
	if r.ReadHistory == 0 {
		r.ReadHistory = WhoSubscriber
	}
	if r.ReadPresence == 0 {
		r.ReadPresence = WhoSubscriber
	}
}

// UserMark stands in a pattern for the ID of the user whose channel it is: one
// character or more, without the one that follows the mark in the pattern. So
// "user:{user}:*" matches user:ada:mail, and is ada's.
const UserMark = "{user}"

// Owner returns the ID of the user whose the channel is, by its name. There is none
// unless the pattern of the rule has a [UserMark]. The channel has to match the rule.
func (r *Rule) Owner(channel string) (user string, owned bool) {
	_, user, _, owned = r.owner(channel)
	return user, owned
}

// owner takes a name apart where the mark stands in the pattern. The user is empty
// where the name does not begin like the pattern, or has no ID in its place.
func (r *Rule) owner(channel string) (before, user, after string, owned bool) {
	before, after, owned = strings.Cut(r.Match, UserMark)
	if !owned || !strings.HasPrefix(channel, before) {
		return before, "", after, owned
	}
	user = channel[len(before):]
	if next, _ := utf8.DecodeRuneInString(after); after != "" {
		user, _, _ = strings.Cut(user, string(next))
	}
	return before, user, after, owned
}
