package web

import (
	"context"
	"errors"
	"time"
)

// errReplaced ends a request of a session that another has taken the place of.
var errReplaced = errors.New("another request carries the session now")

// part is what a request fetches at once.
type part struct {
	frames [][]byte
	size   int
	whole  bool // it ends where frames do
	last   bool // nothing follows: the session has ended
}

// puller is where a request fetches what its session has to say.
type puller interface {
	// next waits for something to say, at most for a while, and returns an empty
	// part when there was nothing. Its errors are errReplaced, the context's, and
	// those of a session at another node.
	next(ctx context.Context, most int, wait time.Duration) (part, error)
	// framing is how the session wraps messages.
	framing() dialect
	// done is called when what was fetched has been written; with last, the
	// client knows that the session has ended.
	done(last bool)
	// leave is called at the end of the request.
	leave()
}

// pull is a request that carries a session and fetches: a long-poll, a stream
// whose connection cannot be taken over, or what another node asks for. It is a
// puller for one goroutine.
type pull struct {
	t        *carried
	wake     chan struct{} // holds a token when there is something new
	turn     uint64
	position uint64 // of the byte that is fetched next
	midway   bool   // which is within a frame
}

func (p *pull) send([]byte) error { p.stir(); return nil }
func (p *pull) end([]byte, bool)  { p.stir() }
func (p *pull) replace()          { p.stir() }
func (p *pull) direct() bool      { return false }
func (p *pull) framing() dialect  { return p.t.wrap }

func (p *pull) stir() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// pull makes a request of a client that has the first n lines the carrier.
func (t *carried) pull(n uint64) *pull {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.acknowledge(n)
	t.turn++
	p := &pull{t: t, wake: make(chan struct{}, 1), turn: t.turn, position: t.position(n)}
	t.attach(p)
	return p
}

// pullAgain goes on with a request that fetches for another node and was between
// two fetches. It returns nil when another request carries the session now.
func (t *carried) pullAgain(turn, position uint64) *pull {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.turn != turn || position > t.log.end() {
		return nil
	}
	p := &pull{t: t, wake: make(chan struct{}, 1), turn: turn, position: position}
	t.attach(p)
	return p
}

// next implements [puller].
func (p *pull) next(ctx context.Context, most int, wait time.Duration) (part, error) {
	found, err := p.look(most)
	if err != nil || found.size > 0 || found.last || wait <= 0 {
		return found, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-p.wake:
		case <-timer.C:
			return part{whole: true}, nil
		case <-ctx.Done():
			return part{}, ctx.Err()
		}
		if found, err = p.look(most); err != nil || found.size > 0 || found.last {
			return found, err
		}
	}
}

// look returns what there is now.
func (p *pull) look(most int) (part, error) {
	t := p.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.turn != p.turn {
		return part{}, errReplaced
	}
	if p.position < t.log.start { // frames have been dropped at the end
		if p.midway {
			return part{}, errReplaced // the client asks again
		}
		p.position = t.log.start
	}
	frames, size, whole := t.log.since(p.position, most)
	p.position, p.midway = p.position+uint64(size), !whole
	last := t.state != carriedOpen && p.position == t.log.end()
	return part{frames, size, whole, last}, nil
}

// done implements [puller].
func (p *pull) done(last bool) {
	if p.t.bound {
		p.t.release(p.position)
	}
	if last {
		p.t.tell()
	}
}

// leave implements [puller].
func (p *pull) leave() { p.t.detach(p) }

// release forgets what was written to a client that does not acknowledge.
func (t *carried) release(position uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.release(position)
}
