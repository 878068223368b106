package session

import (
	"context"
	"errors"
	"net/netip"

	"belfry/web/access"
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

// Authenticate finds out who the client of a session is by the token that it shows
// once it is connected. Nothing else is done for the client meanwhile.
func (r *Registry) Authenticate(ctx context.Context, s *Session, token string) error {
	who, err := r.Identify(ctx, access.Hello{Token: token, Remote: s.transport.Remote()})
	if err == nil {
		s.identity.Store(who)
	}
	return err
}

// tellOfTokens logs an error of the guard, if it is about tokens: whoever runs such a
// site has to hear that nobody is let in by them.
func (r *Registry) tellOfTokens(err error, from netip.Addr) {
	if errors.Is(err, access.ErrToken) || errors.Is(err, access.ErrPrivate) {
		r.logger.Warn("a client that relies on tokens is refused", "address", from, "reason", err)
	}
}
