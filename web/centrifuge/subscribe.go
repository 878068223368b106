package centrifuge

import (
	"context"
	"errors"
	"time"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/session"
)

// encoder is the format of the session, with or without who joins and leaves.
func (p *protocol) encoder(joinLeave bool) hub.Encoder {
	return encoder{p.Session.Framing(), joinLeave}
}

// publications is the format of a subscription that does not hear who joins and
// leaves.
func (p *protocol) publications(access.Permit) hub.Encoder { return p.encoder(false) }

// subscribe carries out a subscribe command. With an error there is no subscription.
func (p *protocol) subscribe(ctx context.Context, req *subscribeRequest, a *answer) (*subscribeResult, error) {
	var until time.Time
	sub, err := p.Session.Subscribe(ctx, req.Channel, session.Wish{
		Until: &until,
		Encoder: func(permit access.Permit) hub.Encoder {
			return p.encoder(req.JoinLeave && permit.Presence)
		},
		Since: req.since(),
		Data:  req.Data,
		Token: req.Token,
	})
	if err != nil {
		return nil, ends(err, session.BadToken, fault.OthersToken)
	}
	if req.Recover && !sub.Recovered && req.Flag&flagRefuse != 0 && sub.Position.Epoch != "" {
		p.Session.Drop(sub)
		return nil, errUnrecoverable
	}
	result := newSubscribeResult(req, sub)
	result.expiry = newExpiry(until)
	if !sub.More {
		a.started = append(a.started, sub)
		return result, nil
	}
	// The client has missed more than goes into one reply. It gets the first of it,
	// and is asked to subscribe again, from the last message of that: so it gets all
	// in as many replies as that takes, each when it has read the one before.
	p.Session.Drop(sub)
	a.behind = appendUnsubscribe(nil, req.Channel, unsubscribePush{unsubscribeInsufficient, "there is more to recover"})
	return result, nil
}

// newSubscribeResult words a subscription, and lets go of what it has to recover. A
// recovered one keeps the position that was asked for, and what follows it brings
// the client up to date.
func newSubscribeResult(req *subscribeRequest, sub *hub.Subscription) *subscribeResult {
	missed := sub.Missed
	sub.Missed = nil
	r := &subscribeResult{Epoch: sub.Position.Epoch, Offset: sub.Position.Offset, WasRecovering: req.Recover}
	if r.Epoch == "" {
		return &subscribeResult{WasRecovering: req.Recover}
	}
	r.Recoverable, r.Positioned = true, true
	if sub.Recovered {
		r.Recovered, r.Offset = true, req.Offset
		r.Publications = newPublications(missed)
	}
	return r
}

// Lost implements [session.Protocol]. It makes the client subscribe again, with its
// last position. A client recovers server-side subscriptions only when it connects,
// and so has to do that again.
func (p *protocol) Lost(sub *hub.Subscription) {
	ended, server := p.Session.Drop(sub)
	switch {
	case !ended:
	case server:
		p.Session.Close(session.Lost)
	default:
		p.send(appendUnsubscribe(nil, sub.Channel(), unsubscribePush{unsubscribeInsufficient, "insufficient state"}))
	}
}

// Join implements [session.Joiner]. A client that is not connected yet, or gone, is
// left as it is. It takes the lock, and so may wait for the command that the client is
// at.
func (p *protocol) Join(ctx context.Context, j session.Joining) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.connected.Load() {
		return nil
	}
	var req subscribeRequest
	if j.Since != nil {
		req = subscribeRequest{Recover: true, Offset: j.Since.Offset, Epoch: j.Since.Epoch}
	}
	wish := session.Wish{Encoder: p.publications, Since: req.since(), Server: true, Info: j.Info}
	sub, err := p.Session.Subscribe(ctx, j.Channel, wish)
	switch {
	case errors.Is(err, session.ErrAlreadySubscribed), errors.Is(err, session.ErrGone):
		return nil
	case err != nil:
		return err
	}
	missed := sub.Missed
	p.send(joinPushes(j, newSubscribeResult(&req, sub), missed)...)
	if sub.More { // a client recovers the rest when it connects
		p.Session.Close(session.Lost)
		return nil
	}
	sub.Start()
	return nil
}

// joinPushes tell the client of its new subscription, and bring what it missed:
// the push itself has no room for that.
func joinPushes(j session.Joining, r *subscribeResult, missed []*hub.Message) [][]byte {
	pushes := [][]byte{appendSubscribe(nil, j.Channel, subscribePush{r.Recoverable, r.Epoch, r.Offset, r.Positioned, j.Data})}
	if r.Recovered {
		for _, m := range missed {
			pushes = append(pushes, appendPublication(nil, j.Channel, m))
		}
	}
	return pushes
}

// Leave implements [session.Joiner]. It takes the lock, as Join does.
func (p *protocol) Leave(channel string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Session.Unsubscribe(channel) {
		p.send(appendUnsubscribe(nil, channel, unsubscribePush{unsubscribeServer, "unsubscribed by the server"}))
	}
}

// subRefresh takes another token for a subscription.
func (p *protocol) subRefresh(ctx context.Context, req *tokenRequest) (*refreshResult, error) {
	if req.Token == "" {
		return nil, errNoToken
	}
	until, err := session.RenewSubscription(ctx, p.Session, req.Channel, req.Token)
	if err == nil {
		return &refreshResult{expiry: newExpiry(until)}, nil
	}
	switch e := fault.From(err); {
	case errors.Is(err, access.ErrToken): // nobody checks any
		return nil, errNotAvailable
	case e.Kind == fault.ExpiredToken:
		// Clients give up for good after an error that does not pass, and fetch another
		// token after one that does.
		return nil, &fault.Error{Kind: e.Kind, Message: e.Message, Temporary: true}
	}
	return nil, ends(err, session.BadToken, fault.BadToken, fault.OthersToken)
}

// Expired implements [session.Introducer]. The client asks for another token and
// subscribes again; for a server-side subscription it has to connect again.
func (p *protocol) Expired(sub *hub.Subscription) {
	p.mu.Lock() // so that it comes behind the answer to the command that has made it
	defer p.mu.Unlock()
	ended, server := p.Session.Drop(sub)
	switch {
	case !ended:
	case server:
		p.Session.Close(session.SubscriptionExpired)
	default:
		p.send(appendUnsubscribe(nil, sub.Channel(), unsubscribePush{unsubscribeExpired, "subscription expired"}))
	}
}
