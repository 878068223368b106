package session

import (
	"net/netip"
	"sync"

	"belfry/web/access"
	"belfry/web/fault"
)

var (
	errFull  = fault.New(fault.NotServing, "the server is full: limits.connections (BELFRY_LIMITS_CONNECTIONS) is reached")
	errShare = fault.New(fault.TooMany, "too many clients at this address: limits.connections_per_address (BELFRY_LIMITS_CONNECTIONS_PER_ADDRESS) is reached")
	errProxy = fault.New(fault.TooMany, "too many clients at this address, which may be a proxy's: it has nine tenths of limits.connections (BELFRY_LIMITS_CONNECTIONS)")
)

// Place is what a client has from when it was admitted until Release is called, once.
type Place struct {
	registry *Registry
	from     netip.Addr
}

// Release counts the client out.
func (p Place) Release() { p.registry.clients.Remove(p.from) }

// Admit counts a client in, before anything is done or kept for it, and is the
// one place to refuse it: a session of any transport, or a request that waits for
// messages. Each address has its share, so that one client cannot take the place of
// all others.
func (r *Registry) Admit(h access.Hello) (Place, error) {
	from := h.Address()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining.Err() != nil {
		return Place{}, ErrDraining
	}
	if err := r.refusal(from); err != nil {
		r.logger.Warn("a client is refused", "remote", h.Remote, "reason", err)
		return Place{}, err
	}
	r.clients.Add(from)
	return Place{r, from}, nil
}

// refusal is why no client is let in from an address, or nil. Behind a proxy
// everybody has the proxy's address, so that one which may be a proxy's has what
// others have together, but for a tenth: that is for those who come another way. It
// runs under the lock.
func (r *Registry) refusal(from netip.Addr) error {
	all, its := r.clients.All(), r.clients.Of(from)
	most := r.limits.Connections
	switch proxy := access.MayBeProxy(from); {
	case all >= most:
		return errFull
	case proxy && its >= most-most/10:
		return errProxy
	case !proxy && its >= r.limits.PerAddress:
		return errShare
	}
	return nil
}

// Tally counts something by address. The zero Tally is empty. Its methods are safe
// for several goroutines.
type Tally struct {
	mu  sync.Mutex // guards what follows
	all int
	by  map[netip.Addr]int
}

// Add counts one more of an address.
func (t *Tally) Add(a netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = make(map[netip.Addr]int)
	}
	t.by[a]++
	t.all++
}

// Remove counts one less.
func (t *Tally) Remove(a netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all--
	if t.by[a]--; t.by[a] <= 0 {
		delete(t.by, a)
	}
}

// Of returns how many an address has.
func (t *Tally) Of(a netip.Addr) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.by[a]
}

// All returns how many there are.
func (t *Tally) All() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all
}
