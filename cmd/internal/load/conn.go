package load

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// listener takes what comes over a connection. Slices are valid during the call.
type listener interface {
	// begin and end stand around what one read has brought.
	begin()
	end()
	// message takes a whole text or binary message.
	message(payload []byte)
	// closing takes the code of a close frame.
	closing(code int)
}

// conn is a connection of a client over which messages come down: a WebSocket, or
// one of a session over HTTP. One goroutine reads, with a buffer that is used again
// and again; any may send over a WebSocket.
type conn struct {
	net.Conn
	listener listener
	buf      []byte
	held     int         // bytes at the front of buf that are not scanned yet
	parts    []byte      // of a message that comes in several frames
	left     atomic.Bool // a close frame was sent
	carried  *carried    // nil: a WebSocket
}

// read reads once and hands on what is whole by now.
func (c *conn) read() error {
	n, err := c.Conn.Read(c.buf[c.held:])
	if n == 0 {
		return err
	}
	c.held += n
	if err := c.scan(); err != nil || c.carried == nil || !c.carried.answered {
		return err
	}
	return c.ask()
}

// readAll reads until the connection ends, and returns why.
func (c *conn) readAll() error {
	for {
		if err := c.read(); err != nil {
			return err
		}
	}
}

// scan hands on the frames that are whole, moves the rest to the front, and
// makes room for it when it needs more than there is.
func (c *conn) scan() error {
	c.listener.begin()
	defer c.listener.end()
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

func (c *conn) scanPiece(b []byte) (f frame, size int, err error) {
	if c.carried != nil {
		return c.carried.scan(b)
	}
	return scanFrame(b)
}

func (c *conn) keep(rest []byte, size int) {
	if size > len(c.buf) {
		c.buf = append(make([]byte, 0, size), rest...)[:size]
	} else {
		copy(c.buf, rest)
	}
	c.held = len(rest)
}

func (c *conn) take(f frame) error {
	switch f.opcode {
	case opText, opBinary, opContinuation:
		return c.takePart(f)
	case opPing:
		return c.send(opPong, f.payload)
	case opClose:
		c.listener.closing(closeCode(f.payload))
		if c.carried != nil {
			return io.EOF // nothing more comes
		}
		return c.sendClose(f.payload)
	}
	return nil
}

// takePart puts messages together that come in several frames.
func (c *conn) takePart(f frame) error {
	switch {
	case (f.opcode == opContinuation) != (c.parts != nil):
		return errors.New("the frames of a message do not follow one another")
	case len(c.parts)+len(f.payload) > maxFrame:
		return errFrameSize
	case f.final && c.parts == nil:
		c.listener.message(f.payload)
		return nil
	case c.parts == nil:
		c.parts = make([]byte, 0, 2*len(f.payload))
	}
	c.parts = append(c.parts, f.payload...)
	if f.final {
		c.listener.message(c.parts)
		c.parts = nil
	}
	return nil
}

// send sends one frame. It blocks when the server does not read.
func (c *conn) send(opcode byte, payload []byte) error {
	_, err := c.Write(appendFrame(nil, opcode, payload))
	return err
}

// sendClose sends a close frame, unless one was sent before.
func (c *conn) sendClose(payload []byte) error {
	if c.left.Swap(true) {
		return nil
	}
	return c.send(opClose, payload)
}

// leave says goodbye and gives the server a while to close the connection.
func (c *conn) leave(within time.Duration) {
	_ = c.SetDeadline(time.Now().Add(within))
	if c.carried != nil {
		c.left.Store(true)
		c.carried.sayGoodbye()
		return
	}
	_ = c.sendClose([]byte{1000 >> 8, 1000 & 0xff})
}

// drop closes the connection at once and leaves no port waiting behind.
func (c *conn) drop() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
