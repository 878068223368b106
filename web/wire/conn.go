package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// ErrSlow is returned by [Conn.Send] and [Conn.Write] when the peer is too far
// behind.
var ErrSlow = errors.New("peer is too slow: its buffer is full")

// Options are the bounds of a [Conn]. Many connections may share them.
type Options struct {
	// Limit is how many bytes may wait for the peer.
	Limit int
	// Alone is how large a chunk may be that is sent when nothing waits, where that
	// is more than the Limit: a frame has more than the message in it.
	Alone int
	// WriteWait is how long the peer may take to accept what one write of the
	// flusher brings, about 64 KiB, before the connection is closed.
	WriteWait time.Duration
	// Unheard is how long the peer may leave unacknowledged what it was sent, as one
	// does that has vanished without a word, before the connection is broken. It is
	// for peers of whom nothing else is heard, and needs Linux. Zero: what the
	// listener has.
	Unheard time.Duration
}

// Conn wraps a connection so that writing never blocks. It tries the socket at
// once, keeps what the socket did not take and flushes it from a goroutine that
// runs only while something waits. Where there is no plain socket below (TLS,
// memory) that goroutine does all the writing.
//
// Reading is for one goroutine; everything else is safe for several.
type Conn struct {
	net.Conn
	options *Options
	early   []byte // read from the connection before it came here
	flusher sync.WaitGroup

	mu      sync.Mutex // guards what follows
	socket  socket
	state   state
	half    bool      // the writing side closes behind the last frame
	pending [][]byte  // whole frames that the flusher has not taken yet
	waiting int       // bytes in pending and in the flusher's hands
	overdue time.Time // when a peer that does not read is given up; zero: never
}

// state is what a Conn does with new frames.
type state uint8

const (
	idle     state = iota // nothing waits: try the socket
	flushing              // the flusher runs: put behind
	ending                // the last frame is in: refuse
	closed                // refuse
	stalled               // closed, because the peer took nothing in time
)

// NewConn wraps a connection and owns it from now on: nobody else may close it.
// The early bytes, which may be nil, come before what is read from it.
func NewConn(c net.Conn, early []byte, o *Options) *Conn {
	w := new(Conn)
	w.Open(c, early, o)
	return w
}

// Open does for a zero Conn what [NewConn] does for a new one, so that a Conn
// can be part of a larger thing: on the way to the socket each hop in memory
// costs as much as the arithmetic.
func (c *Conn) Open(conn net.Conn, early []byte, o *Options) {
	c.Conn, c.early, c.options = conn, early, o
	c.socket.open(conn)
	if o.Unheard > 0 {
		giveUpAfter(conn, o.Unheard)
	}
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil // lets the memory go
	}
	return n, nil
}

// Send writes whole frames. It never blocks. It keeps the slice, which must not
// be changed any more. When it drops the frames it returns why: [ErrSlow] when
// they would put the peer over the limit, or it has taken nothing for
// [Options].WriteWait, and [net.ErrClosed] when the connection is ending or broken.
func (c *Conn) Send(frames []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case idle:
		return c.try(frames)
	case flushing:
		return c.keep(frames)
	case stalled:
		return ErrSlow
	}
	return net.ErrClosed
}

// try writes to the socket what it takes at once. It runs under the lock.
func (c *Conn) try(frames []byte) error {
	if len(frames) > max(c.options.Limit, c.options.Alone) {
		return ErrSlow
	}
	n, err := c.socket.write(frames)
	if err != nil {
		c.state = closed
		return net.ErrClosed
	}
	if n < len(frames) {
		c.state = flushing
		c.flush(frames[n:])
	}
	return nil
}

// keep puts frames behind those that wait. It runs under the lock.
func (c *Conn) keep(frames []byte) error {
	if len(frames) == 0 {
		return nil
	}
	most := c.options.Limit
	if c.waiting == 0 {
		most = max(most, c.options.Alone)
	}
	if c.waiting+len(frames) > most {
		return ErrSlow
	}
	c.pending = append(c.pending, frames)
	c.waiting += len(frames)
	return nil
}

// Write sends a copy of p, which must be whole frames. It implements [net.Conn]
// for the library that answers pings and closes: its frames go between others
// and never into one.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.Send(append([]byte(nil), p...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// End sends a last frame, refuses all others, and bounds the time that the
// connection has left: the peer takes the frame and closes from its side, or
// reading and writing fail when the time is over. With drop, frames that the
// flusher has not begun to send are left out: for a peer that does not read, and
// whose connection is reset when the time is over. On a connection that has ended
// or broken it only closes what is below.
func (c *Conn) End(last []byte, drop bool, within time.Duration) {
	if !c.end(last, drop, false, time.Now().Add(within)) {
		_ = c.Conn.Close()
	}
}

// Finish is End for a peer that closes when it sees the end of the stream: the
// writing side is closed behind the last frame, which may be nil.
func (c *Conn) Finish(last []byte, drop bool, within time.Duration) {
	if !c.end(last, drop, true, time.Now().Add(within)) {
		_ = c.Conn.Close()
	}
}

func (c *Conn) end(last []byte, drop, half bool, deadline time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == ending {
		return true
	}
	c.half = half
	if drop {
		for _, frames := range c.pending {
			c.waiting -= len(frames)
		}
		c.pending, c.overdue = nil, deadline
	}
	switch c.state {
	case idle:
		if c.try(last) != nil {
			return false
		}
		if half && c.state == idle {
			c.flusher.Go(c.closeWrite) // which waits for the lock
		}
	case flushing:
		if len(last) > 0 { // an empty write waits for the peer, on a pipe
			c.pending = append(c.pending, last)
			c.waiting += len(last)
		}
	default:
		return false
	}
	c.state = ending
	_ = c.Conn.SetDeadline(deadline)
	return true
}

// closeWrite ends the stream when everything was sent, where that is wanted and
// can be done. With TLS it may wait for the peer, so it does not run under the
// lock.
func (c *Conn) closeWrite() {
	c.mu.Lock()
	due := c.half && c.state == ending
	c.mu.Unlock()
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && due {
		_ = half.CloseWrite() // reading tells when the connection is broken
	}
}

// Discard ends writing and throws away what the peer still sends, until it
// closes from its side or the time is over. It is for a peer that was told to go
// in the middle of a message: to close with bytes unread resets the connection,
// and the peer loses the frame that says why. It is called in place of Read, by
// the goroutine that reads, and Close comes after it.
func (c *Conn) Discard(within time.Duration) {
	c.End(nil, false, within)
	c.flusher.Wait()
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // reading tells when the connection is broken
	}
	_, _ = io.Copy(io.Discard, c.Conn)
}

// SetReadDeadline implements [net.Conn]. It does nothing once the end has a
// deadline of its own.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == ending {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline does nothing: writing does not block, and the flusher sets
// its own deadlines.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline sets the deadline for reading.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// Close closes the connection at once, whatever waits. When something does, the
// peer cannot get the whole any more: the connection is reset, and the system
// lets go what it has still to send. A second call returns the error of the
// connection below.
func (c *Conn) Close() error { return c.close(closed) }

func (c *Conn) close(as state) error {
	c.mu.Lock()
	if c.state < closed {
		c.state = as
	}
	behind := c.state == stalled || c.waiting > 0
	late := !c.overdue.IsZero() && !time.Now().Before(c.overdue)
	c.pending, c.waiting = nil, 0
	c.mu.Unlock()
	if behind || late {
		return reset(c.Conn)
	}
	return c.Conn.Close()
}

// reset closes a connection and throws away what its peer has not been sent.
// Otherwise the system keeps that, up to 4 MiB, and asks a peer that does not read
// for two minutes. With TLS a goodbye would wait five seconds.
func reset(c net.Conn) error {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if tcp, ok := c.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0) // closing does the rest
	}
	return c.Close()
}

// Wait returns when no flusher runs any more. It is called after Close.
func (c *Conn) Wait() { c.flusher.Wait() }

// Waiting returns how many bytes the peer is behind.
func (c *Conn) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}
