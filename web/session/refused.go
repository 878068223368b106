package session

import (
	"context"
	"errors"
	"net/netip"

	"belfry/web/access"
	"belfry/web/fault"
)

// allow asks the guard for a client at an address; the zero address is not known. The
// transport may not be there yet.
func (r *Registry) allow(ctx context.Context, q access.Request, from netip.Addr) (access.Permit, error) {
	permit, err := r.guard.Allow(ctx, q)
	if err != nil {
		r.tellOfTokens(err, from)
	}
	return permit, err
}

// Identify says who somebody is that is no session, or why it may not come in.
func (r *Registry) Identify(ctx context.Context, h access.Hello) (*access.Identity, error) {
	who, err := r.guard.Connect(ctx, h)
	if err != nil {
		r.tellOfTokens(err, h.Address())
	}
	return who, err
}

// tellOfTokens logs an error of the guard, if it is about tokens: whoever runs such a
// site has to hear why users are not let in, or that nobody is by tokens.
func (r *Registry) tellOfTokens(err error, from netip.Addr) {
	switch {
	case errors.Is(err, access.ErrToken) || errors.Is(err, access.ErrPrivate):
		r.logger.Warn("a client that relies on tokens is refused", "address", from, "reason", err)
	case isOfToken[fault.From(err).Kind]:
		r.logger.Info("a token is refused", "address", from, "reason", err)
	}
}

var isOfToken = map[fault.Kind]bool{fault.BadToken: true, fault.ExpiredToken: true, fault.OthersToken: true}
