package carry

import (
	"crypto/rand"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"belfry/web/access"
	"belfry/web/session"
	"belfry/web/wire"
)

// Keep says how long what was said is kept for a client.
type Keep uint8

const (
	// UntilAcknowledged is for clients that say what they have, and go on with
	// another request: so does websocket.js.
	UntilAcknowledged Keep = iota
	// WhileCarried is for clients that recover by themselves: the session ends
	// with the request that carries it, and nothing is kept that was written. So
	// it is in the Centrifuge protocol, and on event streams.
	WhileCarried
)

// Link is the transport of a session over HTTP. What goes down travels by the
// request that carries the session now, if there is one.
type Link struct {
	links   *Links
	session *session.Session
	secret  string // names the session to who may speak for it, and to nobody else
	keep    Keep
	remote  string
	from    netip.Addr // whom it is counted for
	begun   sync.Once  // the protocol may speak
	first   []byte     // what the client says by the request that opens the session

	sends atomic.Int32 // requests under way with what the client says
	up    sync.Mutex   // held while it is handled; guards what follows
	taken uint64       // number of the last line that was taken

	mu         sync.Mutex // guards what follows
	log        backlog
	carrier    carrier // nil when no request carries the session
	generation uint64  // number of the last request that carried it
	state      state
	slot       int           // on the wheel of links that wait, or of those that are over
	since      time.Time     // when it lost its carrier
	known      bool          // the client has named the session, and so has heard of it
	unheard    bool          // it is one of those that the node counts; see maxUnheard
	told       chan struct{} // closed when there is nobody left to tell that it ended
}

// state is what a Link does with new frames.
type state uint8

const (
	open   state = iota
	ending       // the last line is in: refuse
	over         // the session has ended, and is remembered for a while
)

// carrier is a request that carries a link. Its methods are called under the
// link's lock and do not block.
type carrier interface {
	// send hands over the frames that were put at the end of the backlog. It
	// returns why the client does not take them, as transports do.
	send(frames []byte) error
	// finish hands over the last frame; with drop, what waits is left out.
	finish(last []byte, drop bool)
	// replace ends the request because another carries the link now.
	replace()
	// direct reports whether frames that were sent have left the backlog's care, and
	// waiting how many bytes of them the client has not taken.
	direct() bool
	waiting() int
}

func newLink(l *Links, h access.Hello, o Opening) *Link {
	return &Link{links: l, secret: rand.Text(), log: backlog{dialect: o.Dialect, from: &l.kept}, keep: o.Keep, first: o.First,
		remote: h.Remote, from: h.Address(), told: make(chan struct{})}
}

// Secret names the session in the client's requests.
func (l *Link) Secret() string { return l.secret }

// Name implements [session.Transport].
func (l *Link) Name() string { return "http" }

// Framing implements [session.Transport].
func (l *Link) Framing() session.Framing { return l.log.dialect }

// Remote implements [session.Transport].
func (l *Link) Remote() string { return l.remote }

// Ping implements [session.Transport]. Streams are pinged more often than
// sessions; see [Links.Advance].
func (l *Link) Ping() {}

// Send implements [session.Transport].
func (l *Link) Send(frames []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != open {
		return net.ErrClosed
	}
	if l.keep == WhileCarried && l.carrier != nil && l.carrier.direct() {
		return l.carrier.send(frames)
	}
	most := l.limit()
	if len(l.log.chunks) == 0 {
		most = alone(l)
	}
	if l.log.cost()+len(frames) > most {
		return wire.ErrSlow
	}
	if l.carrier == nil && !l.links.kept.takes(len(frames)+chunkCost, time.Since(l.since)) {
		return errBacklogs
	}
	l.log.add(frames)
	if l.carrier != nil && l.carrier.send(frames) != nil {
		l.carrier.replace() // it will be missed, not the frames
	}
	return nil
}

// limit is how many bytes may wait for the client.
func (l *Link) limit() int {
	if l.keep == UntilAcknowledged {
		return l.links.buffer + ackSlack
	}
	return l.links.buffer
}

// alone is how large a chunk may be when nothing waits. In lines, JSON stands within
// JSON, and is up to twice as large.
func alone(l *Link) int {
	if l.keep == UntilAcknowledged {
		return max(2*l.links.alone, l.limit())
	}
	return l.links.alone
}

// Waiting implements [session.Transport].
func (l *Link) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.log.cost() - (l.limit() - l.links.buffer)
	if l.keep == WhileCarried && l.carrier != nil {
		waiting += l.carrier.waiting()
	}
	return max(0, waiting)
}

// Shut implements [session.Transport].
func (l *Link) Shut(code int, reason string, drop bool) {
	last := l.log.dialect.AppendEnd(nil, code, reason)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != open {
		return
	}
	l.state = ending
	if drop {
		l.log.clear()
	}
	l.log.add(last)
	if l.carrier != nil {
		l.carrier.finish(last, drop)
	}
	go l.end() // the session is registered until then, and Shutdown waits for it
}

// vanish ends a session whose client has gone, or is taken to have gone. A request
// that carries it after all ends too.
func (l *Link) vanish() {
	if !l.session.BeginClosing() {
		return // Shut says why
	}
	l.mu.Lock()
	l.state = ending
	l.log.clear()
	if l.carrier != nil {
		l.carrier.finish(nil, true)
	}
	l.mu.Unlock()
	l.tell()
	l.links.forget(l)
	go l.end()
}

// Abort implements [session.Transport].
func (l *Link) Abort() {
	l.tell()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.carrier != nil {
		l.carrier.replace()
	}
}

// tell notes that the client knows the end, or will not hear of it.
func (l *Link) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.told:
	default:
		close(l.told)
	}
}

// end ends the session when its client knows of it, or had the time to ask for it:
// from the request that carries it, or before the server goes down. Other clients
// ask one that is over.
func (l *Link) end() {
	l.mu.Lock()
	carried := l.carrier != nil
	l.mu.Unlock()
	if carried || l.session.IsDraining() {
		l.waitTold()
	}
	l.beOver()
	l.session.End()
}

func (l *Link) waitTold() {
	wait := time.NewTimer(endWait)
	defer wait.Stop()
	select {
	case <-l.told:
	case <-wait.C:
	}
}

// beOver waits until the last message of the client has been handled. The link is
// remembered for a while.
func (l *Link) beOver() {
	l.up.Lock()
	defer l.up.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = over
	l.stopWaiting()
	l.links.ended.Delay(l, &l.slot)
}

// attach makes a request the carrier of the link, in place of the one before. It runs under the lock.
func (l *Link) attach(c carrier) {
	if l.carrier != nil && l.carrier != c {
		l.carrier.replace()
	}
	l.carrier = c
	l.log.carry(true)
	l.stopWaiting()
}

// detach takes a carrier away whose request has ended. The session waits for
// another, or ends with it.
func (l *Link) detach(c carrier) {
	l.mu.Lock()
	mine := l.carrier == c
	if mine {
		l.carrier = nil
		l.log.carry(false)
	}
	alone := mine && l.state == open
	if alone && l.keep == UntilAcknowledged {
		l.startWaiting()
	}
	l.mu.Unlock()
	switch {
	case alone && l.keep == WhileCarried:
		l.vanish()
	case alone && !l.links.kept.takes(0, 0):
		l.session.Evict(errBacklogs)
	}
}

// startWaiting gives the client time to come back. It runs under the lock.
func (l *Link) startWaiting() {
	l.countUnheard(!l.known)
	l.since = time.Now()
	l.links.waiting.Remove(l, &l.slot)
	l.links.waiting.Delay(l, &l.slot)
}

// stopWaiting runs under the lock.
func (l *Link) stopWaiting() {
	l.countUnheard(false)
	l.links.waiting.Remove(l, &l.slot)
}

// countUnheard counts the link once, or no more. It runs under the lock.
func (l *Link) countUnheard(yes bool) {
	switch {
	case yes && !l.unheard:
		l.links.unheard.Add(l.from)
	case !yes && l.unheard:
		l.links.unheard.Remove(l.from)
	}
	l.unheard = yes
}

// giveUp ends a session whose client has been away for too long. It may have been
// overtaken by a request that came and went.
func (l *Link) giveUp() {
	l.mu.Lock()
	gone := l.carrier == nil && l.state == open && time.Since(l.since) > awayWait-2*time.Second
	l.mu.Unlock()
	if gone {
		l.vanish()
	}
}

// isOpen reports whether the link takes messages.
func (l *Link) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state == open
}

// acknowledge notes that the client has the first n lines, by a request that names
// the session. It reports whether there were so many.
func (l *Link) acknowledge(n uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = true
	if n > l.log.lines {
		return false
	}
	l.log.acknowledge(n)
	return true
}

// started lets the protocol speak, once the link is carried for the first time,
// and lets it hear what came with that request.
func (l *Link) started() {
	l.begun.Do(func() {
		l.up.Lock()
		defer l.up.Unlock()
		l.session.Opened()
		if l.first != nil && l.isOpen() {
			l.session.Receive(session.Text, l.first)
			l.first = nil
		}
	})
}
