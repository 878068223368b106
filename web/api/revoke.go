package api

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"belfry/web/fault"
)

var errNoUsers = fault.New(fault.NotAvailable, "not available: there are no users, because this server has no keys for tokens (tokens.keys)")

// revocation is something that is taken back, or given back.
type revocation struct {
	User     string `json:"user"`
	ExpireAt int64  `json:"expire_at"` // until when, in Unix seconds; zero: for ever
}

// revokeRequest is that of /api/revoke_token. UID is the claim jti of the token.
type revokeRequest struct {
	UID      string `json:"uid"`
	ExpireAt int64  `json:"expire_at"`
}

// invalidateRequest is that of /api/invalidate_user_tokens.
type invalidateRequest struct {
	revocation
	IssuedBefore int64 `json:"issued_before"` // Unix seconds; zero: now
}

// revoking checks what a call that takes something back names, and until when.
func (a *API) revoking(field, id string, expireAt int64) (until time.Time, err error) {
	switch {
	case a.Revoked == nil:
		return until, errNoUsers
	case id == "" || len(id) > maxID || !utf8.ValidString(id):
		return until, fault.Field(field, fmt.Sprintf("1 to %d bytes are expected", maxID))
	case expireAt == 0:
		return time.Unix(latest, 0), nil
	}
	return future("expire_at", expireAt)
}

// blockUser answers /api/block_user, once all nodes that answer have closed the clients
// of the user. The others do so as soon as they reach the broker.
func (a *API) blockUser(ctx context.Context, req *revocation) (any, error) {
	until, err := a.revoking("user", req.User, req.ExpireAt)
	if err != nil {
		return nil, err
	}
	return struct{}{}, a.Revoked.BlockUser(ctx, req.User, until)
}

// unblockUser answers /api/unblock_user. That the user is not blocked is no error.
func (a *API) unblockUser(ctx context.Context, req *struct {
	User string `json:"user"`
}) (any, error) {
	if _, err := a.revoking("user", req.User, 0); err != nil {
		return nil, err
	}
	return struct{}{}, a.Revoked.UnblockUser(ctx, req.User)
}

// revokeToken answers /api/revoke_token, as blockUser does.
func (a *API) revokeToken(ctx context.Context, req *revokeRequest) (any, error) {
	until, err := a.revoking("uid", req.UID, req.ExpireAt)
	if err != nil {
		return nil, err
	}
	return struct{}{}, a.Revoked.RevokeToken(ctx, req.UID, until)
}

// invalidateTokens answers /api/invalidate_user_tokens, as blockUser does.
func (a *API) invalidateTokens(ctx context.Context, req *invalidateRequest) (any, error) {
	until, err := a.revoking("user", req.User, req.ExpireAt)
	if err != nil {
		return nil, err
	}
	before := time.Now()
	switch n := req.IssuedBefore; {
	case n < 0 || n > latest:
		return nil, fault.Field("issued_before", "seconds since 1970 are expected, up to the year 2100")
	case n > 0:
		before = time.Unix(n, 0)
	}
	return struct{}{}, a.Revoked.InvalidateTokens(ctx, req.User, before, until)
}
