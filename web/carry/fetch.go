package carry

import (
	"context"
	"errors"
	"time"
)

// errReplaced ends a request of a link that another has taken the place of.
var errReplaced = errors.New("another request carries the session now")

// piece is what a request fetches at once.
type piece struct {
	frames [][]byte
	size   int
	whole  bool // it ends where frames do
	last   bool // nothing follows: the session has ended
}

// source is where a request fetches what its session has to say.
type source interface {
	// next waits for something to say, at most for a while, and returns an empty
	// piece when there was nothing. Its errors are errReplaced, the context's,
	// and those of a session at another node.
	next(ctx context.Context, most int, wait time.Duration) (piece, error)
	// dialect is what the session was said in.
	dialect() Dialect
	// done is called when what was fetched has been written; with last, the
	// client knows that the session has ended.
	done(last bool)
	// leave is called at the end of the request.
	leave()
}

// fetch is a carrier that fetches: a long-poll, a stream whose connection cannot
// be taken over, or what another node asks for. It is a source for one goroutine.
type fetch struct {
	link       *Link
	wake       chan struct{} // holds a token when there is something new
	generation uint64
	position   uint64 // of the byte that is fetched next
	within     bool   // which is within a frame
}

func (f *fetch) send([]byte) error   { f.stir(); return nil }
func (f *fetch) finish([]byte, bool) { f.stir() }
func (f *fetch) replace()            { f.stir() }
func (f *fetch) direct() bool        { return false }
func (f *fetch) waiting() int        { return 0 }
func (f *fetch) dialect() Dialect    { return f.link.log.dialect }

func (f *fetch) stir() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// fetch makes a request of a client that has the first n lines the carrier.
func (l *Link) fetch(n uint64) *fetch {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log.acknowledge(n)
	l.generation++
	f := &fetch{link: l, wake: make(chan struct{}, 1), generation: l.generation, position: l.log.position(n)}
	l.attach(f)
	return f
}

// fetchOn goes on with a request that fetches for another node and was between
// two fetches. It returns nil when another request carries the link now.
func (l *Link) fetchOn(generation, position uint64) *fetch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.generation != generation || position > l.log.end() {
		return nil
	}
	f := &fetch{link: l, wake: make(chan struct{}, 1), generation: generation, position: position}
	l.attach(f)
	return f
}

// next implements [source].
func (f *fetch) next(ctx context.Context, most int, wait time.Duration) (piece, error) {
	found, err := f.look(most)
	if err != nil || found.size > 0 || found.last || wait <= 0 {
		return found, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-f.wake:
		case <-timer.C:
			return piece{whole: true}, nil
		case <-ctx.Done():
			return piece{}, ctx.Err()
		}
		if found, err = f.look(most); err != nil || found.size > 0 || found.last {
			return found, err
		}
	}
}

// look returns what there is now.
func (f *fetch) look(most int) (piece, error) {
	l := f.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.generation != f.generation {
		return piece{}, errReplaced
	}
	if f.position < l.log.start { // frames have been dropped at the end
		if f.within {
			return piece{}, errReplaced // the client asks again
		}
		f.position = l.log.start
	}
	frames, size, whole := l.log.since(f.position, most)
	f.position, f.within = f.position+uint64(size), !whole
	last := l.state != open && f.position == l.log.end()
	return piece{frames, size, whole, last}, nil
}

// done implements [source].
func (f *fetch) done(last bool) {
	if f.link.keep == WhileCarried {
		f.release()
	}
	if last {
		f.link.tell()
	}
}

// release forgets what was written to a client that does not acknowledge.
func (f *fetch) release() {
	f.link.mu.Lock()
	defer f.link.mu.Unlock()
	f.link.log.release(f.position)
}

// leave implements [source].
func (f *fetch) leave() { f.link.detach(f) }
