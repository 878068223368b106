package web

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/api"
	"belfry/web/carry"
	"belfry/web/centrifuge"
	"belfry/web/events"
	"belfry/web/fault"
	"belfry/web/session"
	"belfry/web/token"
	"belfry/web/ws"
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
	// Backlog is how many bytes are kept for all clients over HTTP together that
	// have no request under way. Default 64 MiB.
	Backlog int64
	// Unread is how many bytes of answers wait for all clients together who do not
	// read them. Default 64 MiB.
	Unread int
	// Connections is how many clients there may be at a time, over all transports.
	// Default 100,000.
	Connections int
	// ConnectionsPerAddress is how many of them may have one address, or one network
	// of 64 bits of IPv6. Addresses that may be a proxy's have nine tenths of
	// Connections instead. Default 1,000.
	ConnectionsPerAddress int
	// PublishRate is how many messages a second one session may publish. It may begin
	// with twice as many. Default 100.
	PublishRate int
	// UserConnections is how many sessions one user may have on all nodes. Zero: no
	// bound.
	UserConnections int
	// Revocations is how many users and tokens may be taken back at a time. Default
	// 100,000.
	Revocations int
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Body:                  cmp.Or(l.Body, 1<<20),
		Message:               cmp.Or(l.Message, 64<<10),
		Buffer:                cmp.Or(l.Buffer, 1<<20),
		Subscriptions:         cmp.Or(l.Subscriptions, 128),
		Backlog:               cmp.Or(l.Backlog, 64<<20),
		Unread:                cmp.Or(l.Unread, 64<<20),
		Connections:           cmp.Or(l.Connections, 100_000),
		ConnectionsPerAddress: cmp.Or(l.ConnectionsPerAddress, 1000),
		PublishRate:           cmp.Or(l.PublishRate, 100),
		UserConnections:       l.UserConnections,
		Revocations:           cmp.Or(l.Revocations, 100_000),
	}
}

// Options are what a Server is made of.
type Options struct {
	Hub    *hub.Hub
	Logger *slog.Logger // nil: discards
	APIKey string       // of the HTTP API, with every right; empty: there is none
	// APIKeys are more of them, with names of their own. Without any, and without
	// APIKey, every call is refused.
	APIKeys []access.APIKey
	Origins []string // allowed beside the page's own host; see [belfry/configs.Config]
	// Hosts are the names that the server answers to, beside localhost and addresses:
	// example.com, *.example.com or *, in lower case. Nil: any.
	Hosts []string
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
	RPC centrifuge.RPCHandler
	// Tokens are by what clients say who they are. Nil: there are no users.
	Tokens *access.Credentials
	// CrossDomain answers GET /crossdomain.xml. Nil: 404.
	CrossDomain []byte
}

// Server serves HTTP and sessions. Its handler is safe for several goroutines.
type Server struct {
	http.Handler // the table of routes, within bounds of time

	hub         *hub.Hub
	logger      *slog.Logger
	errors      fault.Answerer
	origins     access.Origins
	keys        *access.Keys
	crossDomain []byte
	tokens      *token.Verifier     // nil: there are no users
	revoked     *access.Revocations // nil, too
	ticket      fault.Handler

	sessions   *session.Registry
	webSocket  *ws.Server
	links      *carry.Links
	centrifuge *centrifuge.Server
	events     *events.Server
	api        *api.API
}

// New makes a server for a hub that does not run yet. [Server.Run] has to run for
// its sessions to be pinged.
func New(o Options) *Server {
	o.Limits, o.Logger = o.Limits.withDefaults(), cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	s := &Server{
		hub: o.Hub, logger: o.Logger, errors: fault.Answerer{Logger: o.Logger},
		origins: access.NewOrigins(o.Origins), keys: newKeys(o), crossDomain: o.CrossDomain,
	}
	guard := s.guard(o)
	s.sessions = session.NewRegistry(session.Options{
		Hub: o.Hub, Guard: guard, Logger: o.Logger, Revoked: s.refusal(),
		Limits: session.Limits{Message: o.Limits.Message, Buffer: o.Limits.Buffer, Subscriptions: o.Limits.Subscriptions,
			Published: int(o.Limits.Body), Connections: o.Limits.Connections, PerAddress: o.Limits.ConnectionsPerAddress,
			PublishRate: o.Limits.PublishRate, Unread: o.Limits.Unread, UserConnections: o.Limits.UserConnections},
	})
	if s.revoked != nil {
		s.revoked.Taken = s.sessions.Reconsider
	}
	s.webSocket = ws.New(ws.Options{Sessions: s.sessions, Origins: s.origins, Errors: s.errors, Legacy: o.Legacy})
	s.links = carry.New(carry.Options{Hub: o.Hub, Sessions: s.sessions, Backlog: o.Limits.Backlog})
	s.centrifuge = centrifuge.New(centrifuge.Options{
		Hub: o.Hub, Sessions: s.sessions, Links: s.links, Origins: s.origins,
		Version: o.Version, Subscribe: o.Subscribe, RPC: o.RPC,
	})
	s.events = events.New(events.Options{Sessions: s.sessions, Links: s.links, Origins: s.origins, Errors: s.errors})
	s.api = api.New(api.Options{
		Hub: o.Hub, Guard: guard, Keys: s.keys, Sessions: s.sessions, Centrifuge: s.centrifuge, Revoked: s.revoked,
		Errors: s.errors, Logger: o.Logger,
		MaxBody: o.Limits.Body, Version: o.Version, Name: cmp.Or(o.Name, o.Hub.Node()),
	})
	s.Handler = fault.Bounded(s.sessions.Draining(), s.errors.Handle(access.Hosts(o.Hosts).Before(s.routes())))
	return s
}

// newKeys are those of the HTTP API.
func newKeys(o Options) *access.Keys {
	keys := o.APIKeys
	if o.APIKey != "" {
		keys = append([]access.APIKey{access.WholeKey("api.key", o.APIKey)}, keys...)
	}
	return access.NewKeys(o.Logger, keys...)
}

// guard is who decides, by what the options say.
func (s *Server) guard(o Options) access.Guard {
	rules := access.Rules{For: o.Hub.Rule}
	if o.Tokens == nil {
		s.ticket = access.NoTickets
		return rules
	}
	s.revoked = access.NewRevocations(o.Hub, o.Limits.Revocations, o.Logger)
	g := access.NewTokens(rules, *o.Tokens, access.NewTickets(o.Hub), s.revoked, o.Logger)
	s.tokens, s.ticket = o.Tokens.Verifier, g.ServeTicket
	return g
}

// refusal is why an identity counts no more; nil: all do.
func (s *Server) refusal() func(*access.Identity) error {
	if s.revoked == nil {
		return nil
	}
	return s.revoked.RefusalOf
}

// Run looks after sessions, and after keys for tokens, until the context ends.
func (s *Server) Run(ctx context.Context) {
	var fetching sync.WaitGroup
	defer fetching.Wait()
	if s.tokens != nil {
		fetching.Go(func() { s.tokens.Run(ctx) })
		fetching.Go(func() { s.revoked.Run(ctx) })
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sessions.Advance()
			s.links.Advance()
			s.keys.Advance()
		}
	}
}

// Shutdown makes the server unready, refuses new sessions and asks every client
// to go and come back. It returns nil when all have gone; when the context ends
// first, it closes the rest at once and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error { return s.sessions.Shutdown(ctx) }

// NumSessions returns how many sessions are open.
func (s *Server) NumSessions() int { return s.sessions.Len() }

// NumEvicted returns how many sessions were closed because they could not keep
// up.
func (s *Server) NumEvicted() int64 { return s.sessions.NumEvicted() }

// NumGone returns how many sessions were closed because writing to their client
// has shown that it is gone: its connection was reset. Those that say goodbye, or
// are missed by a ping, are not among them.
func (s *Server) NumGone() int64 { return s.sessions.NumVanished() }

// Calls are the names of the calls of the HTTP API, sorted, which keys may be held to.
func Calls() []string { return api.Calls() }
