package carry

import (
	"net"
	"time"

	"belfry/web/wire"
)

const (
	// beat is how often streams are looked after.
	beat = 5 * time.Second
	// quietBeats is after how many beats without anything a stream gets a ping.
	quietBeats = 2
	// staleBeats is after how many beats a stream is closed whose client does
	// not acknowledge what it was sent. It should do so within 15 seconds, but
	// the timers of a page in the background may be a minute late.
	staleBeats = 18
)

// stream is a carrier on a connection that was taken over from the HTTP server,
// and to which frames are written at once. The response has no length and no
// chunks: it ends with the connection, so that frames go out as they are.
type stream struct {
	wire.Conn
	link *Link
	slot int // on the wheel of streams
	wrap rewrap
	to   Dialect

	// Guarded by the link's lock.
	quiet int    // beats since something went out
	stale int    // beats since the client had acknowledged what it has
	acked uint64 // lines that were acknowledged then
}

func (c *stream) direct() bool { return true }
func (c *stream) waiting() int { return c.Conn.Waiting() }

func (c *stream) send(frames []byte) error {
	c.quiet = 0
	return c.Send(c.wrapped(frames))
}

func (c *stream) finish(last []byte, drop bool) { c.Finish(c.wrapped(last), drop, endWait) }

func (c *stream) replace() { _ = c.Close() }

// wrapped returns frames as the request wants them, which is nearly always as
// they are.
func (c *stream) wrapped(frames []byte) []byte {
	if !c.wrap.changes() {
		return frames
	}
	return c.wrap.append(nil, frames)
}

// carryDirectly makes the connection of a request the carrier of a link: it
// writes a head and what follows the first n lines, and goes on with what comes.
func (l *Link) carryDirectly(conn net.Conn, to Dialect, head []byte, n uint64) {
	c := &stream{link: l, to: to, wrap: newRewrap(l.log.dialect, to)}
	c.Open(conn, nil, l.connLimits())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log.acknowledge(n)
	parts, _, _ := l.log.since(l.log.position(n), l.log.size)
	_ = c.Send(c.wrap.appendAll(head, parts)) // watch finds out
	l.generation++
	l.attach(c)
	if l.state != open {
		c.Finish(nil, false, endWait)
	}
	l.links.beats.Spread(c, &c.slot)
	if !l.links.sessions.Go(c.watch) {
		l.links.beats.Remove(c, &c.slot)
		l.carrier = nil
		_ = c.Close() // the server has gone down
	}
}

// connLimits are those of a connection that carries the link.
func (l *Link) connLimits() *wire.Options {
	if l.keep == UntilAcknowledged {
		return l.links.conns
	}
	return l.links.streams
}

// watch waits until the client goes. It reads, though nothing is expected: that
// is how one hears of it.
func (c *stream) watch() {
	var b [16]byte
	for err := error(nil); err == nil; {
		_, err = c.Read(b[:])
	}
	c.link.links.beats.Remove(c, &c.slot)
	_ = c.Close()
	c.link.detach(c)
	if !c.link.isOpen() {
		c.link.tell()
	}
	c.Wait()
}

// beat sends a ping when nothing else went, and gives up a client that seems not
// to be there: it may come back with another request.
func (c *stream) beat() {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.carrier != c || l.keep == WhileCarried || l.state != open {
		return
	}
	if c.quiet++; c.quiet >= quietBeats {
		c.quiet = 0
		_ = c.Send(c.to.AppendPing(nil)) // watch finds out
	}
	if c.stale++; l.log.before != c.acked || len(l.log.chunks) == 0 {
		c.acked, c.stale = l.log.before, 0
	}
	if c.stale >= staleBeats {
		_ = c.Close()
	}
}
