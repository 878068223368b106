package client

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Listener takes what comes over a connection, on the goroutine that receives. It
// must not receive itself, but may send. Slices are valid during the call.
type Listener interface {
	// Begin and End are called before and after the messages of one read, so that
	// a clock is read and a lock taken once for all of them.
	Begin()
	End()
	// Message takes a whole text or binary message.
	Message(payload []byte)
	// Closing takes the code of a close frame. Nothing comes after it.
	Closing(code int)
}

// Conn is a connection over which messages come down: a WebSocket, or one of a
// session over HTTP. One goroutine at a time receives, into a buffer that is used
// again and again; any may send over a WebSocket, leave, or drop the connection.
type Conn struct {
	raw      net.Conn
	listener Listener
	buf      []byte
	held     int         // bytes at the front of buf that are not scanned yet
	parts    []byte      // of a message that comes in several frames
	left     atomic.Bool // we have said goodbye, or will say no more
	session  *Session    // nil: a WebSocket
}

// NewConn is a WebSocket over a connection whose handshake is done, with a read
// buffer of so many bytes. [Dialer.Open] makes one of a connection of its own.
func NewConn(raw net.Conn, l Listener, size int) *Conn {
	return &Conn{raw: raw, listener: l, buf: make([]byte, size)}
}

// Ready ends the opening: it takes the deadline away and hands on what came early.
func (c *Conn) Ready() error {
	_ = c.raw.SetDeadline(time.Time{})
	return c.scan()
}

// Receive reads once, which may bring nothing whole, and hands on what is whole by
// now. It asks for the next answer when a long-poll has ended. After an error the
// connection is of no more use.
func (c *Conn) Receive() error {
	n, err := c.raw.Read(c.buf[c.held:])
	if n == 0 {
		return err
	}
	c.held += n
	if err := c.scan(); err != nil || c.session == nil || !c.session.answered {
		return err
	}
	return c.ask()
}

// ReceiveAll receives until the connection ends, and returns why.
func (c *Conn) ReceiveAll() error {
	for {
		if err := c.Receive(); err != nil {
			return err
		}
	}
}

// scan hands on the frames that are whole, moves the rest to the front, and
// makes room for it when it needs more than there is.
func (c *Conn) scan() error {
	c.listener.Begin()
	defer c.listener.End()
	rest := c.buf[:c.held]
	for {
		f, size, err := c.scanPiece(rest)
		if err != nil {
			return err
		}
		if size > len(rest) {
			c.keep(rest, size)
			return nil
		}
		if err := c.take(f); err != nil {
			return err
		}
		rest = rest[size:]
	}
}

// scanPiece is scanFrame, or the same of a session over HTTP.
func (c *Conn) scanPiece(b []byte) (f frame, size int, err error) {
	if c.session != nil {
		return c.session.scan(b)
	}
	return scanFrame(b)
}

// keep keeps what is not whole, with room for so many bytes.
func (c *Conn) keep(rest []byte, size int) {
	if size > len(c.buf) {
		c.buf = append(make([]byte, 0, size), rest...)[:size]
	} else {
		copy(c.buf, rest)
	}
	c.held = len(rest)
}

// take hands a frame on, or answers it: a ping with its own payload, a close frame
// with the same code (RFC 6455, section 5.5). Other frames are ignored.
func (c *Conn) take(f frame) error {
	switch f.opcode {
	case opText, opBinary, opContinuation:
		return c.takePart(f)
	case opPing:
		return c.send(opPong, f.payload)
	case opClose:
		c.listener.Closing(closeCode(f.payload))
		if c.session != nil {
			return io.EOF // nothing more comes
		}
		return c.sendClose(f.payload)
	}
	return nil
}

// takePart puts messages together that come in several frames (RFC 6455, section
// 5.4). One that comes in one frame is handed on where it lies.
func (c *Conn) takePart(f frame) error {
	switch {
	case (f.opcode == opContinuation) != (c.parts != nil):
		return errors.New("the frames of a message do not follow one another")
	case len(c.parts)+len(f.payload) > maxFrame:
		return errFrameSize
	case f.final && c.parts == nil:
		c.listener.Message(f.payload)
		return nil
	case c.parts == nil:
		c.parts = make([]byte, 0, 2*len(f.payload))
	}
	c.parts = append(c.parts, f.payload...)
	if f.final {
		c.listener.Message(c.parts)
		c.parts = nil
	}
	return nil
}

// SendText sends a text in one frame. It blocks when the server does not read.
func (c *Conn) SendText(text []byte) error { return c.send(opText, text) }

// Write writes frames that AppendText has made.
func (c *Conn) Write(frames []byte) (int, error) { return c.raw.Write(frames) }

// send sends one frame, masked as a client's are.
func (c *Conn) send(opcode byte, payload []byte) error {
	_, err := c.Write(appendFrame(nil, opcode, payload))
	return err
}

// sendClose sends a close frame, unless one was sent before.
func (c *Conn) sendClose(payload []byte) error {
	if c.left.Swap(true) {
		return nil
	}
	return c.send(opClose, payload)
}

// Leave says goodbye and gives the server a while to close the connection. It does
// not wait for that: the goroutine that receives does.
func (c *Conn) Leave(within time.Duration) {
	c.SetDeadline(time.Now().Add(within))
	if c.session != nil {
		c.left.Store(true)
		c.session.sayGoodbye()
		return
	}
	_ = c.sendClose([]byte{1000 >> 8, 1000 & 0xff})
}

// Left reports whether Leave or Drop was called, or a close frame of the server was
// answered. A connection that ends otherwise was ended by the server.
func (c *Conn) Left() bool { return c.left.Load() }

// SetDeadline bounds receiving and sending from now on; what is under way, too.
func (c *Conn) SetDeadline(t time.Time) { _ = c.raw.SetDeadline(t) }

// Drop closes the connection at once and leaves no port behind in TIME_WAIT: after a
// few runs there would be no ports left. A second call is harmless.
func (c *Conn) Drop() {
	c.left.Store(true)
	if tcp, ok := c.raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.raw.Close()
}
