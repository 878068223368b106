package web

import (
	"bytes"
	"net"
	"net/http"
	"time"

	"belfry/web/wire"
)

// streamConn carries a session on a connection that was taken over from the HTTP
// server, and to which frames are written at once. The response has no length and
// no chunks: it ends with the connection, so that frames go out as they are.
type streamConn struct {
	wire.Conn
	transport *carried
	slot      int // on the wheel of streams
	wrap      rewrap

	// Guarded by the transport's lock.
	quiet int    // beats since something went out
	stale int    // beats since the client had acknowledged what it has
	acked uint64 // lines that were acknowledged then
}

func (c *streamConn) direct() bool { return true }

func (c *streamConn) send(frames []byte) error {
	c.quiet = 0
	return c.Send(c.wrapped(frames))
}

func (c *streamConn) end(last []byte, drop bool) { c.Finish(c.wrapped(last), drop, endWait) }

func (c *streamConn) replace() { _ = c.Close() }

// wrapped returns frames as the request wants them, which is nearly always as
// they are.
func (c *streamConn) wrapped(frames []byte) []byte {
	if !c.wrap.changes() {
		return frames
	}
	return c.wrap.append(nil, frames)
}

// carryDirectly makes the connection of a request the carrier of a session: it
// writes a head and what follows the first n lines, and goes on with what comes.
func (t *carried) carryDirectly(conn net.Conn, to dialect, head []byte, n uint64) {
	s := t.session.server
	c := &streamConn{transport: t, wrap: newRewrap(t.wrap, to)}
	bounds := s.carried.conns
	if t.bound {
		bounds = s.conns
	}
	c.Open(conn, nil, bounds)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.acknowledge(n)
	parts, _, _ := t.log.since(t.position(n), t.log.size)
	_ = c.Send(c.wrap.appendAll(head, parts)) // watch finds out
	t.turn++
	t.attach(c)
	if t.state != carriedOpen {
		c.Finish(nil, false, endWait)
	}
	if t.state == carriedOver {
		go c.watch()
		return
	}
	s.carried.beats.add(c, &c.slot)
	s.open.Add(1) // the session itself is counted still
	go func() { defer s.open.Done(); c.watch() }()
}

// watch waits until the client goes. It reads, though nothing is expected: that
// is how one hears of it.
func (c *streamConn) watch() {
	var b [16]byte
	for err := error(nil); err == nil; {
		_, err = c.Read(b[:])
	}
	t := c.transport
	t.session.server.carried.beats.remove(c, &c.slot)
	_ = c.Close()
	t.detach(c)
	if !t.isOpen() {
		t.tell()
	}
	c.Wait()
}

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

// beat sends a ping when nothing else went, and gives up a client that seems not
// to be there: it may come back with another request.
func (c *streamConn) beat() {
	t := c.transport
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.carrier != c || t.bound || t.state != carriedOpen {
		return
	}
	if c.quiet++; c.quiet >= quietBeats {
		c.quiet = 0
		_ = c.Send(c.wrap.to.AppendPing(nil)) // watch finds out
	}
	if c.stale++; t.log.before != c.acked || len(t.log.chunks) == 0 {
		c.acked, c.stale = t.log.before, 0
	}
	if c.stale >= staleBeats {
		_ = c.Close()
	}
}

// takeOver takes the connection of a request over, and what the client has sent
// behind it. It fails where that cannot be done, as on HTTP/2, and then nothing has
// happened.
func takeOver(w http.ResponseWriter) (conn net.Conn, early []byte, err error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ = rw.Reader.Peek(rw.Reader.Buffered())
	// A listener that looks at first bytes wraps its connections; the socket
	// below is written to directly.
	if wrapped, ok := conn.(interface{ Unwrap() net.Conn }); ok {
		conn = wrapped.Unwrap()
	}
	return conn, bytes.Clone(early), nil
}
