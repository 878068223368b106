package api

import (
	"context"
	"time"

	"belfry/web/access"
	"belfry/web/fault"
)

var errNoUsers = fault.New(fault.NotAvailable, "not available: there are no users, because this server has no keys for tokens (tokens.keys)")

// revoker answers the calls that take users and tokens back, and give them back.
type revoker struct{ revoked *access.Revocations } // nil: there are no users

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

// check looks at what a call that takes something back names, and until when.
func (v revoker) check(field, id string, expireAt int64) (until time.Time, err error) {
	if v.revoked == nil {
		return until, errNoUsers
	}
	if err := checkID(field, id); err != nil {
		return until, err
	}
	if expireAt == 0 {
		return time.Unix(latest, 0), nil
	}
	return future("expire_at", expireAt)
}

// blockUser answers /api/block_user, once all nodes that answer have closed the clients
// of the user. The others do so as soon as they reach the broker.
func (v revoker) blockUser(ctx context.Context, req *revocation) (any, error) {
	until, err := v.check("user", req.User, req.ExpireAt)
	if err != nil {
		return nil, err
	}
	return struct{}{}, v.revoked.BlockUser(ctx, req.User, until)
}

// unblockUser answers /api/unblock_user. That the user is not blocked is no error.
func (v revoker) unblockUser(ctx context.Context, req *struct {
	User string `json:"user"`
}) (any, error) {
	if _, err := v.check("user", req.User, 0); err != nil {
		return nil, err
	}
	return struct{}{}, v.revoked.UnblockUser(ctx, req.User)
}

// revokeToken answers /api/revoke_token, as blockUser does.
func (v revoker) revokeToken(ctx context.Context, req *revokeRequest) (any, error) {
	until, err := v.check("uid", req.UID, req.ExpireAt)
	if err != nil {
		return nil, err
	}
	return struct{}{}, v.revoked.RevokeToken(ctx, req.UID, until)
}

// invalidateTokens answers /api/invalidate_user_tokens, as blockUser does.
func (v revoker) invalidateTokens(ctx context.Context, req *invalidateRequest) (any, error) {
	until, err := v.check("user", req.User, req.ExpireAt)
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
	return struct{}{}, v.revoked.InvalidateTokens(ctx, req.User, before, until)
}
