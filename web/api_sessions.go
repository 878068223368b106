package web

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"belfry/web/access"
	"belfry/web/fault"
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

// target says which sessions a call is about: those that match everything that
// is given. Something must be.
type target struct {
	User    string `json:"user"`
	Client  string `json:"client"`
	Session string `json:"session"`
}

func (t target) check() error {
	if t == (target{}) {
		return fault.Field("client", "is missing: give at least one of user, client and session")
	}
	for field, id := range map[string]string{"user": t.User, "client": t.Client, "session": t.Session} {
		if len(id) > maxID {
			return fault.Field(field, fmt.Sprintf("at most %d bytes are accepted", maxID))
		}
	}
	return nil
}

// matching returns the sessions of this node that a call is about.
func (s *Server) matching(t target) []*session {
	if t.User != "" || t.Session != "" {
		return nil // everybody is anonymous, and no session has an ID of its own
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.sessions[t.Client]; c != nil {
		return []*session{c}
	}
	return nil
}

// ordered is what protocols implement whose sessions a backend can subscribe and
// unsubscribe. Sessions of others are left alone.
type ordered interface {
	// join subscribes the session, and tells the client.
	join(context.Context, joinOrder) error
	// leave unsubscribes the session and tells the client, if it was subscribed.
	leave(channel string)
}

type joinRequest struct {
	target
	Channel      string          `json:"channel"`
	Info         json.RawMessage `json:"info"`
	B64Info      string          `json:"b64info"`
	Data         json.RawMessage `json:"data"`
	B64Data      string          `json:"b64data"`
	RecoverSince *position       `json:"recover_since"`
}

// joinOrder is a checked joinRequest on its way to the nodes.
type joinOrder struct {
	Target  target
	Channel string
	Info    []byte // chan_info of the clients
	Data    []byte // for the push that tells them
	Since   *position
}

func (r *joinRequest) order() (o joinOrder, err error) {
	o = joinOrder{Target: r.target, Channel: r.Channel, Since: r.RecoverSince}
	if err := r.check(); err != nil {
		return o, err
	}
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

// joinSessions answers /api/subscribe.
func (s *Server) joinSessions(ctx context.Context, req *joinRequest) (any, error) {
	if _, err := s.backendMay(ctx, access.Subscribe, req.Channel); err != nil {
		return nil, err
	}
	o, err := req.order()
	if err != nil {
		return nil, err
	}
	return s.order(ctx, callJoin, o)
}

// order has every node do something, and has no more to say than that it is
// done.
func (s *Server) order(ctx context.Context, call string, o any) (any, error) {
	_, err := askAll[struct{}](ctx, s, call, o)
	return struct{}{}, err
}

func (s *Server) joinHere(ctx context.Context, o joinOrder) (done struct{}, err error) {
	for _, c := range s.matching(o.Target) {
		if p, ok := c.protocol.(ordered); ok {
			if err := p.join(ctx, o); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

type leaveRequest struct {
	target
	Channel string `json:"channel"`
}

// leaveOrder is a checked leaveRequest on its way to the nodes.
type leaveOrder struct {
	Target  target
	Channel string
}

// leaveSessions answers /api/unsubscribe.
func (s *Server) leaveSessions(ctx context.Context, req *leaveRequest) (any, error) {
	if _, err := s.backendMay(ctx, access.Subscribe, req.Channel); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	return s.order(ctx, callLeave, leaveOrder{req.target, req.Channel})
}

func (s *Server) leaveHere(_ context.Context, o leaveOrder) (done struct{}, err error) {
	for _, c := range s.matching(o.Target) {
		if p, ok := c.protocol.(ordered); ok {
			p.leave(o.Channel)
		}
	}
	return done, nil
}

type disconnectRequest struct {
	target
	Whitelist  []string `json:"whitelist"` // IDs of clients that are spared
	Disconnect *struct {
		Code   int    `json:"code"`
		Reason string `json:"reason"`
	} `json:"disconnect"`
}

// disconnectOrder is a checked disconnectRequest on its way to the nodes.
type disconnectOrder struct {
	Target target
	Spared []string
	Code   int // zero: each protocol's own word for it
	Reason string
}

func (r *disconnectRequest) order() (o disconnectOrder, err error) {
	o = disconnectOrder{Target: r.target, Spared: r.Whitelist}
	if err := r.check(); err != nil {
		return o, err
	}
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

// disconnectSessions answers /api/disconnect.
func (s *Server) disconnectSessions(ctx context.Context, req *disconnectRequest) (any, error) {
	o, err := req.order()
	if err != nil {
		return nil, err
	}
	return s.order(ctx, callDisconnect, o)
}

func (s *Server) disconnectHere(_ context.Context, o disconnectOrder) (done struct{}, err error) {
	for _, c := range s.matching(o.Target) {
		switch {
		case slices.Contains(o.Spared, c.id):
		case o.Code == 0:
			c.close(closeForced)
		default:
			c.closeWith(o.Code, o.Reason, false)
		}
	}
	return done, nil
}
