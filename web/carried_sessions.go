package web

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"belfry/web/fault"
	"belfry/web/wire"
)

var errTooManyOpened = fault.New(fault.TooMany, "too many sessions over HTTP were opened whose clients have not come back; try again")

// carriedSessions are the sessions over HTTP of this node, by their secrets.
type carriedSessions struct {
	node  string
	beats beats
	// conns are the bounds of connections. What waits in a stream is part of a
	// backlog, and at most twice as long as events, unless the client acknowledges
	// what it has not read.
	conns *wire.Options
	// life ends when the server goes down, and with it requests of sessions at
	// other nodes: they are not told by their session.
	life  context.Context
	leave context.CancelFunc
	// unheard is how many sessions wait for the second request of their clients.
	unheard atomic.Int64

	mu       sync.Mutex // guards what follows
	bySecret map[string]*carried
}

// maxUnheard is about how many sessions may wait for the second request of their
// clients. A request costs a client less than the session that it opens costs
// us, for as long as that waits.
const maxUnheard = 16 << 10

func newCarriedSessions(node string, buffer int) *carriedSessions {
	life, leave := context.WithCancel(context.Background())
	return &carriedSessions{
		node:     node,
		conns:    &wire.Options{Limit: 2 * (buffer + ackSlack), WriteWait: writeWait},
		life:     life,
		leave:    leave,
		bySecret: make(map[string]*carried),
	}
}

func (c *carriedSessions) remember(t *carried) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bySecret[t.secret] = t
}

// forget is harmless for one that was forgotten.
func (c *carriedSessions) forget(t *carried) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.bySecret, t.secret)
}

// find returns the session with a secret, or nil. How long it takes says nothing
// of the secrets there are: a map looks up a hash that is seeded anew in each
// process.
func (c *carriedSessions) find(secret string) *carried {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bySecret[secret]
}

// name is what the client of a session calls it: the node that has it, and its
// secret.
func (c *carriedSessions) name(t *carried) string { return c.node + "." + t.secret }

// maxSessionName is the longest name of a session in bytes.
const maxSessionName = 100

// notInName is true for what no name of a session has.
func notInName(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// splitSessionName returns the parts of a session's name.
func splitSessionName(name string) (node, secret string, err error) {
	node, secret, ok := strings.Cut(name, ".")
	if !ok || node == "" || secret == "" || len(name) > maxSessionName || strings.ContainsFunc(node+secret, notInName) {
		return "", "", fault.Field("session", "the name is expected that the open line gave")
	}
	return node, secret, nil
}

// openCarried makes a session that HTTP requests carry. It is registered, and
// waits for the first of them.
func (s *Server) openCarried(r *http.Request, wrap dialect, bound bool, speak func(*session) protocol) (*carried, error) {
	if s.isDraining() {
		return nil, errDraining
	}
	if !bound && s.carried.unheard.Load() >= maxUnheard {
		return nil, errTooManyOpened
	}
	t := newCarried(wrap, bound, r.RemoteAddr)
	t.session = s.newSession(t, speak)
	if err := t.session.protocol.prepare(); err != nil {
		t.session.unsubscribeAll()
		return nil, err
	}
	if !s.admit(t.session) {
		t.session.unsubscribeAll()
		return nil, errDraining
	}
	s.carried.remember(t)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == carriedOpen && !bound {
		t.startWaiting()
	}
	return t, nil
}
