package web

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/olahol/melody"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/wire"
)

var (
	errDraining = fault.New(fault.NotServing, "the server is going down")
	errNotReady = fault.New(fault.NotServing, "not ready: the broker is away")
)

// Limits bound what comes from outside. Zero fields take the defaults.
type Limits struct {
	// Body is the largest body of an API request in bytes. Default 1 MiB.
	Body int64
	// Message is the largest message of a client in bytes. Default 64 KiB.
	Message int64
	// Buffer is how many bytes a client may be behind before it is evicted.
	// Default 1 MiB.
	Buffer int
	// Subscriptions is how many channels a session may subscribe to. Default
	// 128.
	Subscriptions int
}

func (l Limits) withDefaults() Limits {
	if l.Body == 0 {
		l.Body = 1 << 20
	}
	if l.Message == 0 {
		l.Message = 64 << 10
	}
	if l.Buffer == 0 {
		l.Buffer = 1 << 20
	}
	if l.Subscriptions == 0 {
		l.Subscriptions = 128
	}
	return l
}

// Options are what a Server is made of.
type Options struct {
	Hub     *hub.Hub
	Logger  *slog.Logger // nil: discards
	APIKey  string       // of the HTTP API; empty: every call is refused
	Origins []string     // allowed beside the page's own host; see [belfry/configs.Config]
	// Legacy lets clients from before RFC 6455 use the raw endpoints.
	Legacy  bool
	Limits  Limits
	Version string // what the server says it is
	// Name is what the API calls this node beside its ID. Empty: the ID.
	Name string
	// Subscribe lists channels that every session of the Centrifuge protocol is
	// subscribed to when it connects. Each has a rule, and they are no more than
	// Limits.Subscriptions.
	Subscribe []string
	// RPC answers the rpc calls of clients and backends. Nil: error 108.
	RPC RPCHandler
	// CrossDomain answers GET /crossdomain.xml. Nil: 404.
	CrossDomain []byte
}

// Server serves HTTP and sessions. Its handler is safe for several goroutines.
type Server struct {
	hub         *hub.Hub
	logger      *slog.Logger
	faults      fault.Answerer
	key         access.Key
	origins     access.Origins
	guard       access.Guard
	legacy      bool
	limits      Limits
	version     string
	name        string
	started     time.Time
	subscribed  []string // channels of every Centrifuge session
	rpcHandler  RPCHandler
	crossDomain []byte
	handler     http.Handler

	melody  *melody.Melody
	conns   *wire.Options
	carried *carriedSessions
	wheel   *wheel
	// Sessions that were closed because their client could not keep up, and
	// because writing to it has shown that it is gone.
	evicted, vanished atomic.Int64

	mu       sync.Mutex // guards what follows
	draining bool
	sessions map[string]*session // by ID
	open     sync.WaitGroup      // sessions; not added to once draining
}

// New makes a server for a hub that does not run yet. [Server.Run] has to run for
// its sessions to be pinged.
func New(o Options) *Server {
	s := &Server{
		hub:         o.Hub,
		logger:      o.Logger,
		key:         access.NewKey(o.APIKey),
		origins:     access.NewOrigins(o.Origins),
		guard:       access.Rules{For: o.Hub.Rule},
		legacy:      o.Legacy,
		limits:      o.Limits.withDefaults(),
		version:     o.Version,
		name:        cmp.Or(o.Name, o.Hub.Node()),
		started:     time.Now(),
		subscribed:  o.Subscribe,
		rpcHandler:  o.RPC,
		crossDomain: o.CrossDomain,
		wheel:       &wheel{},
		sessions:    make(map[string]*session),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.faults.Logger = s.logger
	s.conns = &wire.Options{Limit: s.limits.Buffer, WriteWait: writeWait}
	s.carried = newCarriedSessions(s.hub.Node(), s.limits.Buffer)
	s.hub.HandleCall(callSay, s.sayForOther)
	s.hub.HandleCall(callFetch, s.fetchForOther)
	s.hub.HandleCall(callEmulate, s.emulateForOther)
	s.melody = s.newMelody()
	s.handler = s.routes()
	s.answerNodes()
	return s
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run pings sessions until the context ends.
func (s *Server) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.wheel.turn()
			s.carried.beats.turn()
		}
	}
}

// Shutdown makes the server unready, refuses new sessions and asks every client
// to go and come back. It returns nil when all have gone; when the context ends
// first, it closes the rest at once and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	sessions := s.drain()
	s.carried.leave()
	s.logger.Info("closing sessions", "count", len(sessions))
	for _, c := range sessions {
		c.close(closeShutdown)
	}
	gone := make(chan struct{})
	go func() { s.open.Wait(); close(gone) }()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		for _, c := range sessions {
			c.transport.abort()
		}
		<-gone
		return ctx.Err()
	}
}

// drain refuses sessions from now on and returns those that are open.
func (s *Server) drain() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	sessions := make([]*session, 0, len(s.sessions))
	for _, c := range s.sessions {
		sessions = append(sessions, c)
	}
	return sessions
}

// isDraining reports whether Shutdown was called.
func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// NumSessions returns how many sessions are open.
func (s *Server) NumSessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// NumEvicted returns how many sessions were closed because they could not keep
// up.
func (s *Server) NumEvicted() int64 { return s.evicted.Load() }

// NumGone returns how many sessions were closed because writing to their client
// has shown that it is gone: its connection was reset. Those that say goodbye, or
// are missed by a ping, are not among them.
func (s *Server) NumGone() int64 { return s.vanished.Load() }
