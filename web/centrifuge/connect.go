package centrifuge

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"belfry/hub"
	"belfry/web/session"
)

// connect answers the first command. With an error the client is not connected,
// has no subscription, and may try again. It runs under the lock, as all commands do.
func (p *protocol) connect(ctx context.Context, req *connectRequest, a *answer) (*connectResult, error) {
	s := p.server
	if token := req.anyToken(); token != "" {
		if err := s.sessions.Authenticate(ctx, p.Session, token); err != nil {
			return nil, err
		}
	}
	subs, err := p.serverSide(ctx, req.Subs, a)
	if err != nil {
		return nil, err
	}
	p.connected.Store(true)
	return &connectResult{
		Client:     p.Session.ID(),
		Version:    "belfry " + s.version,
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
		channels = p.server.subscribe
		subs     = make([]*hub.Subscription, len(channels))
		g        errgroup.Group
	)
	for i, channel := range channels {
		req := asked[channel]
		g.Go(func() (err error) {
			subs[i], err = p.Session.Subscribe(ctx, channel, session.Wish{Encoder: p.publications, Since: req.since(), Server: true})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		p.undo(subs)
		return nil, err
	}
	bound(subs, p.server.limits.Answer())
	results := make(map[string]*subscribeResult, len(channels))
	for i, channel := range channels {
		req := asked[channel]
		results[channel] = newSubscribeResult(&req, subs[i])
		if a.lost = a.lost || subs[i].More; !subs[i].More {
			a.started = append(a.started, subs[i])
		}
	}
	return results, nil
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
