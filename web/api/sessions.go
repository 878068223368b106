package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/centrifuge"
	"belfry/web/fault"
	"belfry/web/session"
)

const (
	// maxSubscribeData is the largest data of a subscribe call in bytes.
	maxSubscribeData = 64 << 10
	// maxWhitelist is how many clients a disconnect call may spare.
	maxWhitelist = 1000
	// maxReason is the longest reason of a disconnect in bytes (RFC 6455, section
	// 5.5.1, which has room for 123).
	maxReason = 123
)

// Codes with which a backend may end sessions: those that RFC 6455, section 7.4.2,
// leaves to libraries and applications. Clients of the Centrifuge protocol come
// back after 3000 to 3499 and 4000 to 4499.
const minDisconnectCode, maxDisconnectCode = 3000, 4999

// joinRequest is that of /api/subscribe.
type joinRequest struct {
	session.Target
	Channel      string               `json:"channel"`
	Info         json.RawMessage      `json:"info"`
	B64Info      string               `json:"b64info"`
	Data         json.RawMessage      `json:"data"`
	B64Data      string               `json:"b64data"`
	RecoverSince *centrifuge.Position `json:"recover_since"` // what was missed comes behind the push
}

// joinOrder is a checked joinRequest on its way to the nodes.
type joinOrder struct {
	Target  session.Target
	Channel string
	Info    []byte // chan_info of the clients
	Data    []byte // for the push that tells them
	Since   *centrifuge.Position
}

// order checks a request. Info may have 1 KiB and data 64 KiB, in compact form.
func (r *joinRequest) order() (o joinOrder, err error) {
	o = joinOrder{Target: r.Target, Channel: r.Channel, Since: r.RecoverSince}
	if o.Info, err = jsonOrBase64("info", r.Info, r.B64Info); err != nil {
		return o, err
	}
	if o.Info, err = access.Info("info", o.Info); err != nil {
		return o, err
	}
	if o.Data, err = jsonOrBase64("data", r.Data, r.B64Data); err != nil {
		return o, err
	}
	if len(o.Data) > maxSubscribeData {
		return o, fault.Field("data", fmt.Sprintf("it has %d bytes, at most %d are accepted", len(o.Data), maxSubscribeData))
	}
	return o, nil
}

// subscribe answers /api/subscribe: it subscribes clients that are meant, on whatever
// node they are. That there are none is no error, and neither is that one is
// subscribed already.
func (a *API) subscribe(ctx context.Context, req *joinRequest) (any, error) {
	if _, err := a.may(ctx, access.Subscribe, req.Channel); err != nil {
		return nil, err
	}
	if err := checkTarget(req.Target, a.Revoked != nil); err != nil {
		return nil, err
	}
	o, err := req.order()
	if err != nil {
		return nil, err
	}
	return a.order(ctx, callJoin, o)
}

// order has every node do something, and has no more to say than that it is
// done. With an error some nodes may have done it.
func (a *API) order(ctx context.Context, call string, o any) (any, error) {
	_, err := askAll[struct{}](ctx, a, call, o)
	return struct{}{}, err
}

// joinHere subscribes the sessions of this node that are meant. It stops at the first
// that cannot be: it has its limit of subscriptions, or the broker is away.
func (a *API) joinHere(ctx context.Context, o joinOrder) (done struct{}, err error) {
	j := session.Joining{Channel: o.Channel, Info: o.Info, Data: o.Data}
	if o.Since != nil {
		j.Since = &hub.Position{Epoch: o.Since.Epoch, Offset: o.Since.Offset}
	}
	o.Target.On = o.Channel
	for _, s := range a.Sessions.Find(o.Target) {
		if err := s.Join(ctx, j); err != nil {
			return done, err
		}
	}
	return done, nil
}

// leaveRequest is that of /api/unsubscribe.
type leaveRequest struct {
	session.Target
	Channel string `json:"channel"`
}

// leaveOrder is a checked leaveRequest on its way to the nodes.
type leaveOrder struct {
	Target  session.Target
	Channel string
}

// unsubscribe answers /api/unsubscribe, and tells the clients, which do not subscribe
// again by themselves.
func (a *API) unsubscribe(ctx context.Context, req *leaveRequest) (any, error) {
	if _, err := a.may(ctx, access.Subscribe, req.Channel); err != nil {
		return nil, err
	}
	if err := checkTarget(req.Target, a.Revoked != nil); err != nil {
		return nil, err
	}
	return a.order(ctx, callLeave, leaveOrder{req.Target, req.Channel})
}

// leaveHere unsubscribes the sessions of this node that are meant.
func (a *API) leaveHere(_ context.Context, o leaveOrder) (done struct{}, err error) {
	o.Target.On = o.Channel
	for _, s := range a.Sessions.Find(o.Target) {
		s.Leave(o.Channel)
	}
	return done, nil
}

// disconnectRequest is that of /api/disconnect. Without a disconnect
// in it each protocol has its own word.
type disconnectRequest struct {
	session.Target
	Whitelist  []string `json:"whitelist"` // IDs of clients that are spared
	Disconnect *struct {
		Code   int    `json:"code"`
		Reason string `json:"reason"`
	} `json:"disconnect"`
}

// disconnectOrder is a checked disconnectRequest on its way to the nodes.
type disconnectOrder struct {
	Target session.Target
	Spared []string
	Code   int // zero: each protocol's own word for it
	Reason string
}

// order checks a request.
func (r *disconnectRequest) order() (o disconnectOrder, err error) {
	o = disconnectOrder{Target: r.Target, Spared: r.Whitelist}
	if len(r.Whitelist) > maxWhitelist || slices.ContainsFunc(r.Whitelist, func(id string) bool { return len(id) > maxID }) {
		return o, fault.Field("whitelist", fmt.Sprintf("at most %d IDs of at most %d bytes are accepted", maxWhitelist, maxID))
	}
	if r.Disconnect == nil {
		return o, nil
	}
	o.Code, o.Reason = r.Disconnect.Code, r.Disconnect.Reason
	switch {
	case o.Code < minDisconnectCode || o.Code > maxDisconnectCode:
		return o, fault.Field("disconnect.code", fmt.Sprintf("%d to %d is accepted", minDisconnectCode, maxDisconnectCode))
	case len(o.Reason) > maxReason:
		return o, fault.Field("disconnect.reason", fmt.Sprintf("at most %d bytes are accepted", maxReason))
	}
	return o, nil
}

// disconnect answers /api/disconnect. It does not wait for clients to go: those that
// do not are cut off by their transports.
func (a *API) disconnect(ctx context.Context, req *disconnectRequest) (any, error) {
	if err := checkTarget(req.Target, a.Revoked != nil); err != nil {
		return nil, err
	}
	o, err := req.order()
	if err != nil {
		return nil, err
	}
	return a.order(ctx, callDisconnect, o)
}

// disconnectHere closes the sessions of this node that are meant, but for those that
// are spared.
func (a *API) disconnectHere(_ context.Context, o disconnectOrder) (done struct{}, err error) {
	for _, s := range a.Sessions.Find(o.Target) {
		switch {
		case slices.Contains(o.Spared, s.ID()):
		case o.Code == 0:
			s.Close(session.Forced)
		default:
			s.CloseWith(o.Code, o.Reason, false)
		}
	}
	return done, nil
}

// refreshRequest is that of /api/refresh.
type refreshRequest struct {
	session.Target
	Expired  bool  `json:"expired"`
	ExpireAt int64 `json:"expire_at"` // Unix seconds; zero: never
}

// refreshOrder is a checked refreshRequest on its way to the nodes.
type refreshOrder struct {
	Target  session.Target
	Expired bool
	Until   time.Time // zero: never
}

// refresh answers /api/refresh: it says until when clients are who they are, as another
// token would. Anonymous ones are left as they are.
func (a *API) refresh(ctx context.Context, req *refreshRequest) (any, error) {
	if err := checkTarget(req.Target, a.Revoked != nil); err != nil {
		return nil, err
	}
	o := refreshOrder{Target: req.Target, Expired: req.Expired}
	if req.ExpireAt != 0 {
		var err error
		if o.Until, err = future("expire_at", req.ExpireAt); err != nil {
			return nil, err
		}
	}
	return a.order(ctx, callRefresh, o)
}

// refreshHere does that for the sessions of this node that are meant.
func (a *API) refreshHere(_ context.Context, o refreshOrder) (done struct{}, err error) {
	for _, s := range a.Sessions.Find(o.Target) {
		switch {
		case !o.Expired:
			session.Prolong(s, o.Until)
		case session.IdentityOf(s) != nil:
			s.Close(session.Expired)
		}
	}
	return done, nil
}
