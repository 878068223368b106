package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"belfry/web/access"
)

// allow asks the guard for a client, which nil stands for where there is no session.
func (r *Registry) allow(ctx context.Context, q access.Request, client Transport) (access.Permit, error) {
	permit, err := r.guard.Allow(ctx, q)
	if err != nil {
		r.told.refused(r, err, func() string {
			if client == nil {
				return ""
			}
			return client.Remote()
		})
	}
	return permit, err
}

// Identify says who somebody is that is no session, or why it may not come in.
func (r *Registry) Identify(ctx context.Context, h access.Hello) (*access.Identity, error) {
	who, err := r.guard.Connect(ctx, h)
	if err != nil {
		r.told.refused(r, err, func() string { return h.Remote })
	}
	return who, err
}

// Authenticate finds out who the client of a session is by the token that it shows
// once it is connected. Nothing else is done for the client meanwhile.
func (r *Registry) Authenticate(ctx context.Context, s *Session, token string) (err error) {
	s.identity, err = r.Identify(ctx, access.Hello{Token: token, Remote: s.transport.Remote()})
	return err
}

// told is what the log was told of clients that rely on tokens. Whoever runs such a
// site has to hear that nobody is let in by them, and once in a while is enough. The
// zero told has told nothing.
type told struct {
	mu   sync.Mutex // guards what follows
	last time.Time
	left int // lines that were left out since then
}

// refused logs an error of the guard, if it is about tokens, and not too often.
func (t *told) refused(r *Registry, err error, remote func() string) {
	if !errors.Is(err, access.ErrToken) && !errors.Is(err, access.ErrPrivate) {
		return
	}
	t.mu.Lock()
	now, left := time.Now(), t.left
	quiet := now.Before(t.last.Add(quietTime))
	if quiet {
		t.left++
	} else {
		t.last, t.left = now, 0
	}
	t.mu.Unlock()
	if !quiet {
		r.logger.Warn("a client that relies on tokens is refused", "remote", remote(), "reason", err, "left_out", left)
	}
}
