package web

import (
	"crypto/rand"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"belfry/web/wire"
)

const (
	// awayWait is how long a session lives without a request that carries it.
	awayWait = 30 * time.Second
	// retryWait is how long a session that has ended is remembered, for a client
	// that did not get the line which says why.
	retryWait = 10 * time.Second
)

// carried is the transport of a session over HTTP. What goes down travels by the
// request that carries the session now, if there is one; what the client has not
// acknowledged is kept for the next. What comes up arrives in requests of its
// own.
//
// One that is bound ends with the request that carries it and keeps nothing that
// was written: so it is in the Centrifuge protocol, whose clients recover by
// themselves.
type carried struct {
	session *session
	secret  string // names the session to who may speak for it, and to nobody else
	wrap    dialect
	bound   bool
	addr    string
	begun   sync.Once // the protocol may speak
	first   []byte    // what the client says by the request that opens the session

	saying atomic.Int32 // requests under way with what the client says
	up     sync.Mutex   // held while it is handled; guards what follows
	taken  uint64       // number of the last line that was taken

	mu      sync.Mutex // guards what follows
	log     backlog
	carrier carrier // nil when no request carries the session
	turn    uint64  // number of the last request that carried it
	state   carriedState
	away    *time.Timer   // ends the session; nil until it was without a carrier once
	since   time.Time     // when it lost its carrier
	known   bool          // the client has named the session, and so has heard of it
	unheard bool          // it is one of those that the node counts; see maxUnheard
	told    chan struct{} // closed when there is nobody left to tell that it ended
}

type carriedState uint8

const (
	carriedOpen   carriedState = iota
	carriedEnding              // the last line is in: refuse
	carriedOver                // dismissed, and remembered for a while
)

// carrier is a request that carries a session. Its methods are called under the
// transport's lock and do not block.
type carrier interface {
	// send hands over the frames that were put at the end of the backlog. It
	// returns why the client does not take them, as transports do.
	send(frames []byte) error
	// end hands over the last frame; with drop, what waits is left out.
	end(last []byte, drop bool)
	// replace ends the request because another carries the session now.
	replace()
	// direct reports whether frames that were sent have left the backlog's care.
	direct() bool
}

func newCarried(wrap dialect, bound bool, addr string) *carried {
	return &carried{secret: rand.Text(), wrap: wrap, bound: bound, addr: addr, told: make(chan struct{})}
}

func (t *carried) framing() framing { return t.wrap }
func (t *carried) remote() string   { return t.addr }

// ping does nothing: streams are pinged more often than sessions; see beats.
func (t *carried) ping() {}

// send implements [transport].
func (t *carried) send(frames []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != carriedOpen {
		return net.ErrClosed
	}
	if t.bound && t.carrier != nil && t.carrier.direct() {
		return t.carrier.send(frames)
	}
	limit := t.session.server.limits.Buffer
	if !t.bound {
		limit += ackSlack
	}
	if len(t.log.chunks) > 0 && t.log.cost()+len(frames) > limit {
		return wire.ErrSlow
	}
	t.log.add(frames, t.count(frames))
	if t.carrier != nil && t.carrier.send(frames) != nil {
		t.carrier.replace() // it will be missed, not the frames
	}
	return nil
}

// count returns how many lines of frames are counted. Where nothing is
// acknowledged they count as one.
func (t *carried) count(frames []byte) int {
	if d, ok := t.wrap.(lines); ok {
		return d.count(frames)
	}
	return 1
}

// position returns where the line after the first n begins in the backlog.
func (t *carried) position(n uint64) uint64 {
	d, _ := t.wrap.(lines)
	return t.log.position(n, d)
}

// end implements [transport].
func (t *carried) end(code int, reason string, drop bool) {
	last := t.wrap.AppendEnd(nil, code, reason)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != carriedOpen {
		return
	}
	t.state = carriedEnding
	if drop {
		t.log.clear()
	}
	t.log.add(last, 1)
	if t.carrier != nil {
		t.carrier.end(last, drop)
	}
	go t.finish() // the session is counted until then, and Shutdown waits for it
}

// vanish ends a session whose client has gone, or is taken to have gone. A request
// that carries it after all ends too.
func (t *carried) vanish() {
	if !t.session.beginClosing() {
		return // end says why
	}
	t.mu.Lock()
	t.state = carriedEnding
	t.log.clear()
	if t.carrier != nil {
		t.carrier.end(nil, true)
	}
	t.mu.Unlock()
	t.tell()
	t.session.server.carried.forget(t)
	go t.finish()
}

// abort implements [transport].
func (t *carried) abort() {
	t.tell()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.carrier != nil {
		t.carrier.replace()
	}
}

// tell notes that the client knows the end, or will not hear of it.
func (t *carried) tell() {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.told:
	default:
		close(t.told)
	}
}

// finish dismisses the session when its client knows the end, or had the time to
// ask for it: from the request that carries it, or before the server goes down.
// Other clients ask one that is over.
func (t *carried) finish() {
	s := t.session.server
	if t.isCarried() || s.isDraining() {
		t.waitTold()
	}
	t.beOver()
	s.dismiss(t.session)
	time.AfterFunc(retryWait, func() { s.carried.forget(t) })
}

func (t *carried) waitTold() {
	wait := time.NewTimer(endWait)
	defer wait.Stop()
	select {
	case <-t.told:
	case <-wait.C:
	}
}

// beOver waits until the last message of the client has been handled.
func (t *carried) beOver() {
	t.up.Lock()
	defer t.up.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = carriedOver
	t.stopWaiting()
}

// attach makes a request the carrier of the session, in place of the one before.
// It runs under the lock.
func (t *carried) attach(c carrier) {
	if t.carrier != nil && t.carrier != c {
		t.carrier.replace()
	}
	t.carrier = c
	t.stopWaiting()
}

// detach takes a carrier away whose request has ended. The session waits for
// another, but for a bound one.
func (t *carried) detach(c carrier) {
	t.mu.Lock()
	mine := t.carrier == c
	if mine {
		t.carrier = nil
	}
	gone := mine && t.bound && t.state == carriedOpen
	if mine && !t.bound && t.state == carriedOpen {
		t.startWaiting()
	}
	t.mu.Unlock()
	if gone {
		t.vanish()
	}
}

// startWaiting gives the client time to come back. It runs under the lock.
func (t *carried) startWaiting() {
	t.countUnheard(!t.known)
	t.since = time.Now()
	if t.away == nil {
		t.away = time.AfterFunc(awayWait, t.giveUp)
		return
	}
	t.away.Reset(awayWait)
}

// stopWaiting runs under the lock.
func (t *carried) stopWaiting() {
	t.countUnheard(false)
	if t.away != nil {
		t.away.Stop()
	}
}

// countUnheard counts the session once, or no more. It runs under the lock.
func (t *carried) countUnheard(yes bool) {
	switch {
	case yes && !t.unheard:
		t.session.server.carried.unheard.Add(1)
	case !yes && t.unheard:
		t.session.server.carried.unheard.Add(-1)
	}
	t.unheard = yes
}

// giveUp runs on the timer's goroutine, and may have been overtaken by a request
// that came and went.
func (t *carried) giveUp() {
	t.mu.Lock()
	gone := t.carrier == nil && t.state == carriedOpen && time.Since(t.since) >= awayWait
	t.mu.Unlock()
	if gone {
		t.vanish()
	}
}

// isOpen reports whether the session takes messages.
func (t *carried) isOpen() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state == carriedOpen
}

// isCarried reports whether a request carries the session.
func (t *carried) isCarried() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.carrier != nil
}

// acknowledge notes that the client has the first n lines, by a request that names
// the session. It reports whether there were so many.
func (t *carried) acknowledge(n uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known = true
	if n > t.log.lines {
		return false
	}
	t.log.acknowledge(n)
	return true
}
