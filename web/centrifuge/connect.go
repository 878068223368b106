package centrifuge

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"belfry/hub"
	"belfry/web/session"
)

// connect answers the first command. With an error the client is not connected,
// and may try again.
func (p *protocol) connect(ctx context.Context, req *connectRequest, a *answer) (*connectResult, error) {
	s := p.server
	subs, err := p.serverSide(ctx, req.Subs, a)
	if err != nil {
		return nil, err
	}
	p.connected.Store(true)
	return &connectResult{
		Client:  p.Session.ID(),
		Version: "belfry " + s.version,
		Subs:    subs,
		Ping:    session.PingSeconds,
		Pong:    true,
		Session: p.secret,
		Node:    s.hub.Node(),
		Time:    time.Now().UnixMilli(),
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
	results := make(map[string]*subscribeResult, len(channels))
	for i, channel := range channels {
		req := asked[channel]
		results[channel] = newSubscribeResult(&req, subs[i])
	}
	a.started = append(a.started, subs...)
	return results, nil
}

// undo ends subscriptions that the client will not hear of.
func (p *protocol) undo(subs []*hub.Subscription) {
	for _, sub := range subs {
		if sub != nil {
			p.Session.Drop(sub)
		}
	}
}
