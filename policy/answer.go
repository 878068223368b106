package policy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// maxRead is how many bytes are read from one client, request and all. The
	// few above the request are for clients that end it with a line end.
	maxRead = 32

	// maxLinger is how long a client that has its reply may take to close. A
	// player closes on the NUL, so this is for the others.
	maxLinger = time.Second
)

// ErrNotRequest is returned for a client that sent something else than a policy
// request, or closed before it was complete. It got no answer.
var ErrNotRequest = errors.New("policy: not a policy request")

// Answer reads a policy request from conn, sends the policy and closes conn, in
// all cases and before it returns. It takes at most limit, which must be positive;
// when ctx ends it closes at once. It reads at most 32 bytes.
//
// A listener that has already read from the connection hands over one whose Read
// gives those bytes again. When conn has a CloseWrite method, as TCP connections
// have, that is called after the reply, and what the client still sends is read
// before the close, for a second at most: closing with bytes unread would reset
// the connection and could destroy the reply on its way.
//
// The error is nil when the reply was written, ErrNotRequest when there was
// nothing to reply to, or the connection's own, such as os.ErrDeadlineExceeded or
// net.ErrClosed.
func (p *Policy) Answer(ctx context.Context, conn net.Conn, limit time.Duration) error {
	defer conn.Close()
	defer closeAtEnd(ctx, conn)()

	deadline := time.Now().Add(limit)
	if err := conn.SetDeadline(deadline); err != nil {
		return fmt.Errorf("policy: set deadline: %w", err)
	}
	in := io.LimitReader(conn, maxRead)
	if err := readRequest(in); err != nil {
		return err
	}
	if _, err := conn.Write(p.socket); err != nil {
		return fmt.Errorf("policy: write reply: %w", err)
	}
	drain(conn, in, deadline)
	return nil
}

// closeAtEnd closes c when ctx ends. The function it returns gives that up and
// waits for a close that has begun.
func closeAtEnd(ctx context.Context, c io.Closer) (release func()) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		c.Close()
	})
	return func() {
		if !stop() {
			<-closed
		}
	}
}

// readRequest returns nil when in has given a whole request.
func readRequest(in io.Reader) error {
	var m Matcher
	var buf [maxRead]byte
	for {
		n, err := in.Read(buf[:])
		verdict := m.Feed(buf[:n])
		if err == io.EOF {
			verdict = m.End()
		}
		switch {
		case verdict == Matched:
			return nil
		case verdict == Mismatch:
			return ErrNotRequest
		case err != nil:
			return fmt.Errorf("policy: read request: %w", err)
		}
	}
}

// drain tells the client that the reply is complete and reads on until it closes,
// so that the close that follows finds nothing unread. Its errors do not matter:
// the reply is out.
func drain(conn net.Conn, in io.Reader, deadline time.Time) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if linger := time.Now().Add(maxLinger); linger.Before(deadline) {
		conn.SetReadDeadline(linger)
	}
	io.Copy(io.Discard, in)
}
