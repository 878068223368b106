package access

import (
	"cmp"
	"fmt"
	"strings"

	"belfry/hub"
	"belfry/web/fault"
)

var (
	errClientDenied = fault.New(fault.Denied, "permission denied")
	errNoToken      = fault.New(fault.NoToken, "permission denied: a token is needed here").With("WWW-Authenticate", "Bearer")

	// ErrToken and ErrPrivate are for who relies on tokens. Nobody checks any here, so
	// that whoever made one up would be let in.
	ErrToken   = fault.New(fault.Denied, "permission denied: tokens are not checked here, and none is accepted: leave token out")
	ErrPrivate = fault.New(fault.Denied, "permission denied: names that begin with $ are of private channels, to which only the backend can subscribe clients")
)

// mayClient answers for a client. The rule of the channel stands in the permit.
func mayClient(p Permit, r *Request) (Permit, error) {
	who, err := kindsOf(r, p.Rule), error(nil)
	list := listOf(p.Rule, r.Action)
	switch {
	case r.Token != "":
		return Permit{}, ErrToken
	case isPrivate(r.Channel) && who == 0 && !isReading(r.Action):
		return Permit{}, ErrPrivate
	case r.Action == Subscribe && isPrivate(r.Channel) && who.Has(hub.WhoToken) && list != hub.WhoServer:
		// the name asks for a token, whatever the rule asks for
	case !who.Has(list):
		return Permit{}, refusal(r, p.Rule, list)
	}
	if r.Action == Subscribe {
		p.Recover = asSubscriber(r, ReadHistory, p.Rule)
		p.Presence = p.Rule.Presence && asSubscriber(r, ReadPresence, p.Rule)
		p.Info, err = ownInfo(p.Rule, r)
	}
	return p, err
}

// asSubscriber reports whether whoever subscribes may do something else as well, once it
// is subscribed.
func asSubscriber(r *Request, a Action, rule *hub.Rule) bool {
	q := *r
	q.Action, q.Subscribed = a, true
	return kindsOf(&q, rule).Has(listOf(rule, a))
}

// listOf is who may do something by a rule.
func listOf(rule *hub.Rule, a Action) hub.Who {
	switch a {
	case Subscribe:
		return rule.Subscribe
	case Publish:
		return rule.Publish
	case ReadHistory:
		return rule.ReadHistory
	}
	return rule.ReadPresence
}

// isPrivate reports whether the name of a channel says that a token is needed.
func isPrivate(channel string) bool { return strings.HasPrefix(channel, "$") }

func isReading(a Action) bool { return a == ReadHistory || a == ReadPresence }

// kindsOf is what a client is on a channel with this rule. Where the channel is one
// user's, others are neither anyone nor a user; only a token that names it, or that
// they are subscribed, lets them do something. So it is on private channels.
func kindsOf(r *Request, rule *hub.Rule) (who hub.Who) {
	here, user := r.Who.On(r.Channel), ""
	if here != nil {
		user = here.User
	}
	if r.Granted.Has(r.Action) || here.names(r.Action, r.Channel) {
		who |= hub.WhoToken
	}
	if r.Subscribed {
		who |= hub.WhoSubscriber
	}
	if owner, owned := rule.Owner(r.Channel); owned && owner != user || isPrivate(r.Channel) && who == 0 {
		return who
	}
	who |= hub.WhoAnyone
	if user != "" {
		who |= hub.WhoUser
	}
	return who
}

// refusal says why a client may not do something: to the client in a word, and to the
// log in full.
func refusal(r *Request, rule *hub.Rule, list hub.Who) error {
	public := errClientDenied
	if r.Who == nil && list.Has(hub.WhoUser|hub.WhoToken) {
		public = errNoToken
	}
	user := "an anonymous client"
	if r.Who != nil {
		user = fmt.Sprintf("user %.100q", r.Who.User)
	}
	return fmt.Errorf("%s may not %s %.100q: the rule of %q lets %s: %w", user, actionNames[r.Action], r.Channel,
		rule.Match, cmp.Or(list.String(), "nobody"), public)
}

var actionNames = [...]string{"subscribe to", "publish to", "read the history of", "read the presence of"}

// ownInfo makes what a client says of itself its chan_info, so that others see
// its name. Nobody checks that name, which is no loss where clients publish: there
// they can say any name anyway. On all other channels who somebody is would be
// taken for the server's word, and the data is ignored.
func ownInfo(rule *hub.Rule, r *Request) ([]byte, error) {
	if !rule.Publish.Has(hub.WhoAnyone) {
		return nil, nil
	}
	return Info("data", r.Data)
}

// maxInfo is the largest chan_info in bytes.
const maxInfo = 1 << 10

// Info returns JSON that tells who somebody is, in compact form: of at most 1 KiB.
// Nil and null tell nothing. Errors name the field that it came in.
func Info(field string, data []byte) ([]byte, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	info, err := fault.Compact(data)
	switch {
	case err != nil:
		return nil, fault.Field(field, err.Error())
	case len(info) > maxInfo:
		return nil, fault.Field(field, fmt.Sprintf("it has %d bytes, at most %d are accepted", len(info), maxInfo))
	}
	return info, nil
}
