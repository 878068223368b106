package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	defaultDeadline = 3 * time.Second // players give up on port 843 after as long
	defaultMaxConns = 1024

	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second

	// quietTime is the least time between two lines about the same trouble.
	quietTime = time.Minute
)

// Options say what a [Server] serves and where.
type Options struct {
	// Addr is the TCP address, ":843" as a rule. It must not be empty; port 0
	// takes a free port.
	Addr string
	// Policy is what every client gets. It must not be nil.
	Policy *Policy
	// Logger gets one line when the server listens and few about trouble; single
	// clients are at debug level. Nil: no log.
	Logger *slog.Logger
	// Deadline is all the time a client has, from accept to close. 0: 3 s.
	Deadline time.Duration
	// MaxConns is how many clients are served at a time; for one more the one is
	// closed that has been silent the longest. 0: 1,024.
	MaxConns int
}

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Policy == nil:
		return o, errors.New("policy: no policy to serve; accepted: one made by New")
	case o.Addr == "":
		return o, errors.New(`policy: no address to listen on; accepted: host:port or :port, such as ":843"`)
	case o.Deadline < 0:
		return o, fmt.Errorf("policy: deadline %v; accepted: 0 for %v, or more", o.Deadline, defaultDeadline)
	case o.MaxConns < 0:
		return o, fmt.Errorf("policy: %d connections; accepted: 0 for %d, or more", o.MaxConns, defaultMaxConns)
	}
	if o.Deadline == 0 {
		o.Deadline = defaultDeadline
	}
	if o.MaxConns == 0 {
		o.MaxConns = defaultMaxConns
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Server sends a policy file to everybody who asks on its port.
type Server struct {
	opts     Options
	listener net.Listener
	clients  sync.WaitGroup
	crowd    crowd // the clients being served

	// Only the goroutine in Run uses these.
	fullLog, acceptLog seldom
}

// Listen binds the address and logs that it listens; clients wait in the
// kernel's queue until [Server.Run]. ctx limits the binding only.
//
// When the address may not be bound for lack of privileges, errors.Is(err,
// fs.ErrPermission) holds and the text says how to allow it: a caller can log it
// and go on without policy files.
func Listen(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, bindError(o.Addr, err)
	}
	o.Logger.Info("Flash server listening", "addr", listener.Addr().String())
	return newServer(listener, o), nil
}

func newServer(listener net.Listener, o Options) *Server {
	return &Server{opts: o, listener: listener, crowd: crowd{most: o.MaxConns}}
}

// bindError adds what to do to the reason why addr was not bound.
func bindError(addr string, err error) error {
	const otherPort = `set policy.addr (BELFRY_POLICY_ADDR) to another address, or to "" to switch the policy server off`
	if !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("policy: cannot listen on %q: %w; free it, or %s", addr, err, otherPort)
	}
	return fmt.Errorf("policy: may not listen on %q: %w; to allow it give the program CAP_NET_BIND_SERVICE "+
		"(sudo setcap cap_net_bind_service=+ep ./belfry), or redirect port 843 to a high port and listen there, or %s",
		addr, err, otherPort)
}

// Addr returns the address that the server listens on, with the port that was
// taken when port 0 was asked for.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close stops listening. Run then serves the clients it has and returns
// net.ErrClosed. It is needed only when Run is not called or its context lives
// on; a second call returns an error and does no harm.
func (s *Server) Close() error { return s.listener.Close() }

// Run serves clients until ctx ends, then stops listening, closes the connections
// that are open, waits for their goroutines and returns nil. It may be called
// once. Accepting may fail, for want of file descriptors as a rule; Run then
// waits, from 5 ms to 1 s, and tries again.
func (s *Server) Run(ctx context.Context) error {
	defer s.clients.Wait()
	defer closeAtEnd(ctx, s.listener)()

	var backoff time.Duration
	for {
		conn, err := s.listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("policy: accept: %w", err)
		case err != nil:
			backoff = min(max(2*backoff, minBackoff), maxBackoff)
			s.acceptLog.warn(s.opts.Logger, "policy server cannot accept, tries on", "err", err)
			pause(ctx, backoff)
		default:
			backoff = 0
			s.admit(ctx, conn)
		}
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// admit serves conn on a goroutine of its own, which ends within the deadline and
// which Run waits for. When there are too many it closes another.
func (s *Server) admit(ctx context.Context, conn net.Conn) {
	c, goes := s.crowd.enter(conn)
	if goes != nil {
		goes.Close()
		s.fullLog.warn(s.opts.Logger, "policy server is full, closes clients that are silent",
			"limit", s.opts.MaxConns, "remote", goes.RemoteAddr().String())
	}
	s.clients.Go(func() {
		defer s.crowd.leave(c)
		s.serve(ctx, c)
	})
}

func (s *Server) serve(ctx context.Context, conn net.Conn) {
	remote := conn.RemoteAddr().String()
	if err := s.opts.Policy.Answer(ctx, conn, s.opts.Deadline); err != nil {
		s.opts.Logger.Debug("policy request not answered", "remote", remote, "err", err)
		return
	}
	s.opts.Logger.Debug("policy file sent", "remote", remote)
}

// seldom lets a log line through once per quietTime. The zero value lets the next
// one through.
type seldom struct{ next time.Time }

func (s *seldom) warn(logger *slog.Logger, message string, args ...any) {
	now := time.Now()
	if now.Before(s.next) {
		return
	}
	s.next = now.Add(quietTime)
	logger.Warn(message, args...)
}
