package session_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web/access"
	"belfry/web/session"
)

func TestMain(m *testing.M) { hubtest.Main(m) }

// transport is one that keeps what it is told. It closes when it is shut.
type transport struct {
	refuse error // returned by Send

	mu      sync.Mutex // guards what follows
	sent    string
	code    int // that it was shut with
	reason  string
	drop    bool
	shut    int // times
	aborted int
	pings   int
	onAbort func()
}

// line is a framing that ends lines.
type line struct{}

func (line) AppendMessage(dst, payload []byte) []byte { return append(append(dst, payload...), '\n') }

func (*transport) Name() string             { return "fake" }
func (*transport) Framing() session.Framing { return line{} }
func (*transport) Waiting() int             { return 0 }
func (*transport) Remote() string           { return "192.0.2.1:1" }

func (t *transport) Send(frames []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refuse == nil {
		t.sent += string(frames)
	}
	return t.refuse
}

func (t *transport) Shut(code int, reason string, drop bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.code, t.reason, t.drop = code, reason, drop
	t.shut++
}

func (t *transport) Ping() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pings++
}

func (t *transport) Abort() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.aborted++; t.onAbort != nil {
		go t.onAbort()
	}
}

// protocol is one that keeps what it hears, and subscribes to channels before the
// client is connected.
type protocol struct {
	session.TextOnly
	channels []string
	heard    []string
	prepared int
	opened   int
	gone     int
	pings    int
}

func (*protocol) Name() string { return "fake" }

func (p *protocol) Prepare(ctx context.Context, _ access.Hello) error {
	p.prepared++
	for _, channel := range p.channels {
		if err := p.subscribe(ctx, channel); err != nil {
			return err
		}
	}
	return nil
}

func (p *protocol) subscribe(ctx context.Context, channel string) error {
	wish := session.Wish{Encoder: func(access.Permit) hub.Encoder { return hubtest.Lines{} }}
	sub, err := p.Session.Subscribe(ctx, channel, wish)
	if err == nil {
		sub.Start()
	}
	return err
}

func (p *protocol) Opened()                { p.opened++ }
func (p *protocol) Text(text []byte)       { p.heard = append(p.heard, string(text)) }
func (p *protocol) Gone()                  { p.gone++ }
func (p *protocol) Ping()                  { p.pings++ }
func (p *protocol) Lost(*hub.Subscription) {}
func (p *protocol) CloseCode(why session.Reason) (int, string) {
	return why.Code()
}

// node is a registry with its hub.
type node struct {
	*session.Registry
	hub *hub.Hub
	log *hubtest.Log // from the default level on
}

// newNode makes one whose clients send at most eight bytes and have two
// subscriptions. Only channels that begin with chat exist.
func newNode(t *testing.T) node {
	h, _ := hubtest.Run(t, hub.Options{Rules: hub.Rules{{Match: "chat*", ClientPublish: true, ServerPublish: true}}})
	log := &hubtest.Log{}
	return node{session.NewRegistry(session.Options{
		Hub: h, Guard: access.Rules{For: h.Rule}, Logger: slog.New(slog.NewTextHandler(log, nil)),
		Limits: session.Limits{Message: 8, Buffer: 1 << 10, Subscriptions: 2},
	}), h, log}
}

// client is a session and both of its sides.
type client struct {
	*session.Session
	transport *transport
	protocol  *protocol
}

// open makes a session that is connected, with subscriptions to channels.
func (n node) open(t *testing.T, channels ...string) client {
	t.Helper()
	c := client{transport: &transport{}, protocol: &protocol{channels: channels}}
	s, err := n.Open(access.Hello{}, c.transport, func(s *session.Session) session.Protocol {
		c.protocol.Session = s
		return c.protocol
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(access.Hello{}); err != nil {
		t.Fatal(err)
	}
	if !s.Begin() {
		t.Fatal("the session does not begin")
	}
	s.Opened()
	c.Session = s
	return c
}
