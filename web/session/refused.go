package session

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"

	"belfry/web/access"
	"belfry/web/fault"
)

// telling is a guard that logs whose token it has refused: whoever runs such a site has
// to hear why users are not let in, or that nobody is by tokens.
type telling struct {
	access.Guard
	logger *slog.Logger
}

// Connect implements [access.Guard].
func (g telling) Connect(ctx context.Context, h access.Hello) (*access.Identity, error) {
	who, err := g.Guard.Connect(ctx, h)
	if err != nil {
		g.tell(err, h.Address())
	}
	return who, err
}

// Allow implements [access.Guard].
func (g telling) Allow(ctx context.Context, q access.Request) (access.Permit, error) {
	permit, err := g.Guard.Allow(ctx, q)
	if err != nil {
		g.tell(err, q.From)
	}
	return permit, err
}

// tell logs an error of the guard, if it is about tokens.
func (g telling) tell(err error, from netip.Addr) {
	switch {
	case errors.Is(err, access.ErrToken) || errors.Is(err, access.ErrPrivate):
		g.logger.Warn("a client that relies on tokens is refused", "address", from, "reason", err)
	case isOfToken[fault.From(err).Kind] || errors.Is(err, access.ErrBlocked):
		g.logger.Info("a token is refused", "address", from, "reason", err)
	}
}

var isOfToken = map[fault.Kind]bool{fault.BadToken: true, fault.ExpiredToken: true, fault.OthersToken: true}
