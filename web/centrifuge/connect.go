package centrifuge

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/session"
)

var (
	errNoToken      = fault.Field("token", "is missing")
	errOtherUser    = errors.New("the token is of another user")
	errOtherChannel = errors.New("the token has other channels for the server to subscribe the client to")
)

// connect answers the first command. With an error the client is not connected,
// has no subscription, and may try again. It runs under the lock, as all commands do.
func (p *protocol) connect(ctx context.Context, req *connectRequest, a *answer) (*connectResult, error) {
	s := p.server
	ends, err := p.introduce(ctx, req.anyToken())
	if err != nil {
		return nil, err
	}
	subs, err := p.serverSide(ctx, req.Subs, a)
	if err != nil {
		return nil, err
	}
	p.connected.Store(true)
	return &connectResult{
		Client:     p.Session.ID(),
		Version:    "belfry " + s.version,
		User:       session.UserOf(p.Session),
		expiry:     ends,
		Subs:       subs,
		Ping:       session.PingSeconds,
		Pong:       true,
		Session:    p.secret,
		Node:       s.hub.Node(),
		MaxMessage: s.limits.Message,
		Time:       time.Now().UnixMilli(),
	}, nil
}

// serverSide makes the server-side subscriptions, at the same time, because each
// may have to wait for the broker. It makes all of them or none. What the client
// asks for beside them is ignored.
func (p *protocol) serverSide(ctx context.Context, asked map[string]subscribeRequest, a *answer) (map[string]*subscribeResult, error) {
	var (
		joins = p.joins()
		subs  = make([]*hub.Subscription, len(joins))
		g     errgroup.Group
	)
	for i, j := range joins {
		req := asked[j.Channel]
		g.Go(func() (err error) {
			since := req.since()
			if since != nil && !session.MayRecover(ctx, p.Session, j.Channel) {
				since = nil
			}
			subs[i], err = p.Session.Subscribe(ctx, j.Channel, session.Wish{Encoder: p.publications, Since: since, Server: true, Info: j.Info})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		p.undo(subs)
		return nil, err
	}
	bound(subs, p.server.limits.Answer())
	results := make(map[string]*subscribeResult, len(joins))
	for i, j := range joins {
		req := asked[j.Channel]
		r := newSubscribeResult(&req, subs[i])
		r.Data = j.Data
		results[j.Channel] = r
		if a.lost = a.lost || subs[i].More; !subs[i].More {
			a.started = append(a.started, subs[i])
		}
	}
	return results, nil
}

// joins are the channels that the server subscribes the client to: those of all, and
// those of its token.
func (p *protocol) joins() (all []access.Join) {
	for _, channel := range p.server.subscribe {
		all = append(all, access.Join{Channel: channel})
	}
	if who := session.IdentityOf(p.Session); who != nil {
		for _, j := range who.Joins {
			if !slices.Contains(p.server.subscribe, j.Channel) {
				all = append(all, j)
			}
		}
	}
	return all
}

// bound leaves out what is too much for one reply of what subscriptions have to
// recover, but not the first message. The client connects again, from where it is
// then, for the rest.
func bound(subs []*hub.Subscription, whole int) {
	bytes := whole
	for _, sub := range subs {
		n := 0
		for ; n < len(sub.Missed); n++ {
			size := len(sub.Missed[n].Data) + messageOverhead
			if size > bytes && bytes < whole {
				bytes = 0
				break
			}
			bytes -= size
		}
		sub.More = sub.More || n < len(sub.Missed)
		sub.Missed = sub.Missed[:n]
	}
}

// messageOverhead is what a message has beside its data as JSON, about.
const messageOverhead = 128

// undo ends subscriptions that the client will not hear of.
func (p *protocol) undo(subs []*hub.Subscription) {
	for _, sub := range subs {
		if sub != nil {
			p.Session.Drop(sub)
		}
	}
}

// Unknown implements [session.Introducer]: the client may show a token as it connects.
func (p *protocol) Unknown(err error) { p.unknown = err }

// introduce finds out who the client is that connects, and says until when. Of one that
// came with a cookie or a header nothing is said: it cannot show another.
func (p *protocol) introduce(ctx context.Context, token string) (expiry, error) {
	if token == "" {
		return expiry{}, unwelcome(p.unknown)
	}
	who, err := p.server.sessions.Authenticate(ctx, p.Session, token, nil)
	if err != nil {
		return expiry{}, unwelcome(err)
	}
	p.unknown = nil
	if who == nil {
		return expiry{}, nil
	}
	return newExpiry(who.Until), nil
}

// unwelcome makes the errors of who is not let in end the session, as the protocol has it.
func unwelcome(err error) error {
	if errors.Is(err, session.ErrConnections) {
		return &ending{session.Crowded, err}
	}
	return ends(err, session.BadToken, fault.BadToken)
}

// Prolonged implements [session.Introducer]: the client is told.
func (p *protocol) Prolonged(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.connected.Load() {
		p.send(fault.AppendJSON(nil, map[string]any{"push": map[string]any{"refresh": newExpiry(until)}}))
	}
}

// Secret implements [session.Secret].
func (p *protocol) Secret() string { return p.secret }

// refresh takes another token for the connection. The user stays the same, and so do
// the channels that the server has subscribed the client to.
func (p *protocol) refresh(ctx context.Context, req *tokenRequest) (*refreshResult, error) {
	if req.Token == "" {
		return nil, &ending{session.BadRequest, errNoToken}
	}
	was := session.IdentityOf(p.Session)
	who, err := p.server.sessions.Authenticate(ctx, p.Session, req.Token, func(who *access.Identity) error { return agree(was, who) })
	switch {
	case errors.Is(err, access.ErrToken): // nobody checks any
		return nil, errNotAvailable
	case err != nil:
		return nil, ends(ends(err, session.Expired, fault.ExpiredToken), session.BadToken, fault.BadToken)
	}
	return &refreshResult{p.Session.ID(), "belfry " + p.server.version, newExpiry(who.Until)}, nil
}

// agree wants a client to stay who it was.
func agree(was, who *access.Identity) error {
	if was == nil {
		was = &access.Identity{}
	}
	sort := func(joins []access.Join) []access.Join {
		return slices.SortedFunc(slices.Values(joins), func(a, b access.Join) int { return strings.Compare(a.Channel, b.Channel) })
	}
	same := func(a, b access.Join) bool { return a.Channel == b.Channel }
	switch {
	case who.User != was.User:
		return &ending{session.BadToken, errOtherUser}
	case !slices.EqualFunc(sort(was.Joins), sort(who.Joins), same):
		return &ending{session.Lost, errOtherChannel}
	}
	return nil
}
