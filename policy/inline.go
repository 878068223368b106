package policy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"
)

// inlineDeadline is all the time that a policy request has on a port that serves
// HTTP, from its first byte until it has arrived, was answered, and the client
// has closed.
const inlineDeadline = 5 * time.Second

// Inline returns a listener whose connections answer policy requests by
// themselves and otherwise are those of l: the first byte decides, and HTTP has
// none that begins with '<'. A Flash player asks the port that it is about to
// connect to when nobody answers on port 843.
//
// The answer is given inside the first Read, on the goroutine of whoever reads,
// which then sees the end of the stream. No connection costs a goroutine or a
// byte more than before; one that sends nothing is for the reader's own deadline.
// Without a policy it returns l.
func Inline(l net.Listener, p *Policy, logger *slog.Logger) net.Listener {
	if p == nil {
		return l
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &inlineListener{l, p, logger}
}

type inlineListener struct {
	net.Listener
	policy *Policy
	logger *slog.Logger
}

// Accept implements [net.Listener].
func (l *inlineListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &inlineConn{Conn: conn, listener: l}, nil
}

// inlineConn looks at the first byte that it brings.
type inlineConn struct {
	net.Conn
	listener *inlineListener // nil once the first byte is known
}

// Unwrap returns the connection below, for those who write to its socket
// themselves. It is asked for after the first Read.
func (c *inlineConn) Unwrap() net.Conn { return c.Conn }

// CloseWrite ends what is sent, for an HTTP server that refuses a request without
// reading it to its end and wants its answer to arrive all the same.
func (c *inlineConn) CloseWrite() error { return closeWrite(c.Conn) }

// Read implements [net.Conn].
func (c *inlineConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if l := c.listener; l != nil && n > 0 {
		c.listener = nil
		if p[0] == '<' {
			l.answer(&begun{c.Conn, bytes.NewReader(bytes.Clone(p[:n]))})
			return 0, io.EOF
		}
	}
	return n, err
}

func (l *inlineListener) answer(conn net.Conn) {
	remote := conn.RemoteAddr().String()
	if err := l.policy.Answer(context.Background(), conn, inlineDeadline); err != nil {
		l.logger.Debug("policy request not answered", "remote", remote, "err", err)
		return
	}
	l.logger.Debug("policy file sent", "remote", remote)
}

// begun is a connection of which something has been read already.
type begun struct {
	net.Conn
	early *bytes.Reader
}

// Read implements [net.Conn].
func (c *begun) Read(p []byte) (int, error) {
	if c.early.Len() > 0 {
		return c.early.Read(p)
	}
	return c.Conn.Read(p)
}

// CloseWrite ends the reply before the client has closed.
func (c *begun) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
