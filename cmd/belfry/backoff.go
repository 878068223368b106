package main

import (
	"context"
	"math/rand/v2"
	"time"
)

// The shortest and the longest wait before an attempt: the defaults of
// centrifuge-js.
const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 20 * time.Second
)

// backoff is how long to wait before the next attempt, after as many in vain.
// The jitter is over the whole range, so that the clients of a server that went
// away do not come back in one moment. It may be called for any number of attempts.
func backoff(attempts int) time.Duration {
	most := maxBackoff - minBackoff
	if attempts < 6 { // later ones are over it anyhow
		most = min(most, minBackoff<<attempts)
	}
	return minBackoff + rand.N(most+1)
}

// pause waits, and reports whether the context lives on.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
