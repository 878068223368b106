package web

import (
	"context"
	"errors"

	"belfry/hub"
)

// encoder is the format of the session, with or without who joins and leaves.
func (p *centrifuge) encoder(joinLeave bool) hub.Encoder {
	return centrifugeEncoder{p.session.transport.framing(), joinLeave}
}

// publications is the format of a subscription that does not hear who joins and
// leaves.
func (p *centrifuge) publications(*hub.Rule) hub.Encoder { return p.encoder(false) }

func (p *centrifuge) subscribe(ctx context.Context, req *subscribeRequest, a *answer) (*subscribeResult, error) {
	sub, err := p.session.subscribe(ctx, req.Channel, wish{
		encoder: func(rule *hub.Rule) hub.Encoder {
			return p.encoder(req.JoinLeave && rule.Presence)
		},
		since: req.since(),
		data:  req.Data,
	})
	if err != nil {
		return nil, err
	}
	if req.Recover && !sub.Recovered && req.Flag&flagRefuse != 0 && sub.Position.Epoch != "" {
		p.session.drop(sub)
		return nil, errUnrecoverable
	}
	a.started = append(a.started, sub)
	return newSubscribeResult(req, sub), nil
}

// newSubscribeResult words a subscription. A recovered one keeps the position
// that was asked for, and what follows it brings the client up to date.
func newSubscribeResult(req *subscribeRequest, sub *hub.Subscription) *subscribeResult {
	r := &subscribeResult{Epoch: sub.Position.Epoch, Offset: sub.Position.Offset, WasRecovering: req.Recover}
	if r.Epoch == "" {
		return &subscribeResult{WasRecovering: req.Recover}
	}
	r.Recoverable, r.Positioned = true, true
	if sub.Recovered {
		r.Recovered, r.Offset = true, req.Offset
		r.Publications = newPublications(sub.Missed)
	}
	return r
}

// lost makes the client subscribe again, with its last position. A client
// recovers server-side subscriptions only when it connects, and so has to do
// that again.
func (p *centrifuge) lost(sub *hub.Subscription) {
	s, ok := p.session.drop(sub)
	switch {
	case !ok:
	case s.detail != nil && s.detail.server:
		p.session.close(closeLost)
	default:
		p.send(appendUnsubscribe(nil, sub.Channel(), unsubscribePush{unsubscribeInsufficient, "insufficient state"}))
	}
}

// join subscribes the client because a backend wants it. A client that is
// subscribed already, not connected yet or gone is left as it is.
func (p *centrifuge) join(ctx context.Context, o joinOrder) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.connected.Load() {
		return nil
	}
	var req subscribeRequest
	if o.Since != nil {
		req = subscribeRequest{Recover: true, Offset: o.Since.Offset, Epoch: o.Since.Epoch}
	}
	sub, err := p.session.subscribe(ctx, o.Channel, wish{encoder: p.publications, since: req.since(), server: true, info: o.Info})
	switch {
	case errors.Is(err, errAlreadySubscribed), errors.Is(err, errGone):
		return nil
	case err != nil:
		return err
	}
	p.send(joinPushes(o, newSubscribeResult(&req, sub), sub)...)
	sub.Start()
	return nil
}

// joinPushes tell the client of its new subscription, and bring what it missed:
// the push itself has no room for that.
func joinPushes(o joinOrder, r *subscribeResult, sub *hub.Subscription) [][]byte {
	pushes := [][]byte{appendSubscribe(nil, o.Channel, subscribePush{r.Recoverable, r.Epoch, r.Offset, r.Positioned, o.Data})}
	if r.Recovered {
		for _, m := range sub.Missed {
			pushes = append(pushes, appendPublication(nil, o.Channel, m))
		}
	}
	return pushes
}

// leave unsubscribes the client because a backend wants it.
func (p *centrifuge) leave(channel string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session.unsubscribe(channel) {
		p.send(appendUnsubscribe(nil, channel, unsubscribePush{unsubscribeServer, "unsubscribed by the server"}))
	}
}
