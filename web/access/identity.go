package access

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"belfry/hub"
)

// Hello is what a client shows when it arrives. It is good until the call that
// hands it over returns.
type Hello struct {
	Header http.Header
	URL    *url.URL
	Remote string // address and port
	Token  string // that it shows once it is connected; empty: none
}

// HelloOf is what a request shows.
func HelloOf(r *http.Request) Hello {
	return Hello{Header: r.Header, URL: r.URL, Remote: r.RemoteAddr}
}

// Stranger is what is left of a hello that proves nothing about who sends it, as those
// from before RFC 6455.
func (h Hello) Stranger() Hello { return Hello{Remote: h.Remote} }

// Identity is who somebody is. Nil is an anonymous client. It is not changed once it
// was made, and may be read from several goroutines.
type Identity struct {
	// Backend may use the HTTP API. It is no client. Calls are those that it may make;
	// see [Identity.MayCall].
	Backend bool
	Calls   []string
	// User is the ID of a user; empty: it is nobody in particular.
	User string
	// Info is what others are told of the client, its conn_info: JSON in compact form,
	// or nil.
	Info []byte
	// Until is when it ends, unless the client shows another token; zero: it does not.
	Until time.Time
	// Grants are what its token names.
	Grants []Grant
	// Within are patterns of the only channels on which it counts: on others whoever
	// shows it is anonymous. Nil: it counts on all.
	Within []string
	// Joins are the channels that the server subscribes it to, each once.
	Joins []Join
	// Proof is by what it is known, and may be revoked.
	Proof Proof
}

// Grant names channels by patterns, and what may be done there. A pattern is one as in
// [hub.Matches], an exact name, or a regular expression.
type Grant struct {
	Actions       Actions
	Patterns      []string
	Exact, Regexp bool
}

// Join is a channel that the server subscribes a client to.
type Join struct {
	Channel string
	Info    []byte // chan_info of the client: JSON in compact form, or nil
	Data    []byte // for the client: JSON in compact form, or nil
}

// Proof is where an identity comes from.
type Proof struct {
	Key    string    // name of the key that has signed the token, or was shown
	ID     string    // of the token, its jti; empty: it has none
	Issued time.Time // zero: the token does not say
}

// On is who it is on a channel: nil where it does not count.
func (i *Identity) On(channel string) *Identity {
	if i == nil || i.Within != nil && !slices.ContainsFunc(i.Within, func(p string) bool { return hub.Matches(p, channel) }) {
		return nil
	}
	return i
}

// names reports whether its token names a channel for an action.
func (i *Identity) names(a Action, channel string) bool {
	return i != nil && slices.ContainsFunc(i.Grants, func(g Grant) bool { return g.Actions.Has(a) && g.matches(channel) })
}

func (g *Grant) matches(channel string) bool {
	return slices.ContainsFunc(g.Patterns, func(pattern string) bool {
		switch {
		case g.Exact:
			return pattern == channel
		case g.Regexp:
			matched, err := regexp.MatchString(pattern, channel)
			return matched && err == nil
		}
		return hub.Matches(pattern, channel)
	})
}
