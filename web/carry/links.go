package carry

import (
	"cmp"
	"net/http"
	"strings"
	"sync"
	"time"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/session"
	"belfry/web/wire"
)

const (
	// awayWait is how long a session lives without a request that carries it, up
	// to a second less.
	awayWait = 30 * time.Second
	// retryWait is how long a session that has ended is remembered, for a client
	// that did not get the line which says why.
	retryWait = 10 * time.Second
	// writeWait is how long a client may take to accept a chunk of about 64 KiB.
	writeWait = 10 * time.Second
	// unheardWait is how long a client may leave unacknowledged what a stream has sent,
	// which is something at least once in 25 seconds. With that, and with the time to
	// come back, one that has vanished is gone before a minute is over.
	unheardWait = 20 * time.Second
	// endWait is how long a client may take to see that its session has ended.
	endWait = 2 * time.Second
)

// maxUnheard is about how many sessions may wait for the second request of their
// clients, of each address: behind a proxy that is everybody. A request costs a
// client less than the session that it opens costs us, for as long as that waits.
const maxUnheard = 16 << 10

var errTooManyOpened = fault.New(fault.TooMany, "too many sessions over HTTP were opened from this address whose clients have not come back; try again")

// Options are what Links are made of.
type Options struct {
	Hub      *hub.Hub
	Sessions *session.Registry
	// Backlog is how many bytes are kept for all clients together that have no
	// request under way. Zero: 64 MiB.
	Backlog int64
}

// Links are the sessions over HTTP of this node, by their secrets. Their methods
// are safe for several goroutines.
type Links struct {
	hub      *hub.Hub
	sessions *session.Registry
	node     string
	buffer   int   // bytes that may wait for a client
	alone    int   // bytes of a frame when nothing waits
	message  int64 // bytes of one message of a client

	// conns and streams are the bounds of connections. What waits in a stream whose
	// client acknowledges is part of a backlog, and at most twice as long as
	// events, unless the client acknowledges what it has not read.
	conns, streams *wire.Options

	beats   *session.Wheel[*stream] // each looked after once in a beat
	waiting *session.Wheel[*Link]   // without a carrier, each until it is given up
	ended   *session.Wheel[*Link]   // over, each until it is forgotten

	kept allowance

	// unheard is how many sessions wait for the second request of their clients.
	unheard session.Tally

	mu       sync.Mutex // guards what follows
	bySecret map[string]*Link
}

// New makes the links of a node, and answers what other nodes ask of them. Advance
// has to be called once a second.
func New(o Options) *Links {
	limits := o.Sessions.Limits()
	l := &Links{
		hub: o.Hub, sessions: o.Sessions, node: o.Hub.Node(),
		buffer: limits.Buffer, alone: limits.Alone(), message: limits.Message,
		conns:    &wire.Options{Limit: 2 * (limits.Buffer + ackSlack), Alone: 2 * limits.Alone(), WriteWait: writeWait, Unheard: unheardWait},
		streams:  &wire.Options{Limit: limits.Buffer, Alone: limits.Alone(), WriteWait: writeWait, Unheard: unheardWait},
		beats:    session.NewWheel[*stream](int(beat / time.Second)),
		waiting:  session.NewWheel[*Link](int(awayWait / time.Second)),
		ended:    session.NewWheel[*Link](int(retryWait / time.Second)),
		bySecret: make(map[string]*Link),
		kept:     allowance{most: cmp.Or(o.Backlog, 64<<20)},
	}
	l.hub.HandleCall(callSend, l.sendForOther)
	l.hub.HandleCall(callFetch, l.fetchForOther)
	return l
}

// Advance looks after streams, gives up sessions whose clients have not come back,
// and forgets those that are over.
func (l *Links) Advance() {
	for _, c := range l.beats.Advance() {
		c.beat()
	}
	for _, link := range l.waiting.Advance() {
		link.giveUp()
	}
	for _, link := range l.ended.Advance() {
		l.ended.Remove(link, &link.slot)
		l.forget(link)
	}
}

// Opening is what a session over HTTP begins with.
type Opening struct {
	Dialect Dialect
	Keep    Keep
	Speak   session.Speak
	// First is what the client says by the request that opens the session. Nil:
	// nothing.
	First []byte
}

// Open makes a session that HTTP requests carry. It is registered, and waits for
// the first of them.
func (l *Links) Open(r *http.Request, o Opening) (*Link, error) {
	hello := access.HelloOf(r)
	link := newLink(l, hello, o)
	if o.Keep == UntilAcknowledged && l.unheard.Of(link.from) >= maxUnheard {
		return nil, errTooManyOpened
	}
	s, err := l.sessions.Open(hello, link, o.Speak)
	if err != nil {
		return nil, err
	}
	link.session = s
	err = s.Prepare(hello)
	if err == nil && !s.Begin() {
		err = session.ErrDraining
	}
	if err != nil {
		s.End()
		return nil, err
	}
	l.add(link)
	return link, nil
}

// add registers a link, which begins to wait.
func (l *Links) add(link *Link) {
	l.mu.Lock()
	l.bySecret[link.secret] = link
	l.mu.Unlock()
	link.mu.Lock()
	defer link.mu.Unlock()
	if link.state == open && link.keep == UntilAcknowledged {
		link.startWaiting()
	}
}

// forget is harmless for one that was forgotten.
func (l *Links) forget(link *Link) {
	link.mu.Lock()
	link.log.clear() // nobody asks for it any more
	link.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.bySecret, link.secret)
}

// Find returns the link with a secret that keeps what it says like this, or nil.
// How long it takes says nothing of the secrets there are: a map looks up a hash
// that is seeded anew in each process.
func (l *Links) Find(secret string, k Keep) *Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	if link := l.bySecret[secret]; link != nil && link.keep == k {
		return link
	}
	return nil
}

// name is what the client of a link calls it: the node that has it, and its
// secret.
func (l *Links) name(link *Link) string { return l.node + "." + link.secret }

// MaxName is the longest name of a session in bytes.
const MaxName = 100

// notInName is true for what no name of a session has.
func notInName(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// splitName returns the parts of a session's name.
func splitName(name string) (node, secret string, err error) {
	node, secret, ok := strings.Cut(name, ".")
	if !ok || node == "" || secret == "" || len(name) > MaxName || strings.ContainsFunc(node+secret, notInName) {
		return "", "", fault.Field("session", "the name is expected that the open line gave")
	}
	return node, secret, nil
}
