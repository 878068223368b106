package centrifuge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web/access"
	"belfry/web/carry"
	"belfry/web/centrifuge"
	"belfry/web/session"
	"belfry/web/wire"
)

const buffer = 1 << 20

// store counts what is read of it.
type store struct {
	*hub.MemoryBroker
	mu    sync.Mutex // guards what follows
	reads int        // of histories and presences
	most  int        // bytes of one reading
}

func (s *store) History(ctx context.Context, channel string, o hub.HistoryOptions) (hub.HistoryResult, error) {
	r, err := s.MemoryBroker.History(ctx, channel, o)
	size := 0
	for _, m := range r.Messages {
		size += len(m.Data)
	}
	s.count(size)
	return r, err
}

func (s *store) Presence(ctx context.Context, channel string, bytes int) (hub.Presence, error) {
	s.count(0)
	return s.MemoryBroker.Presence(ctx, channel, bytes)
}

func (s *store) count(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	s.most = max(s.most, size)
}

// deaf is a transport whose client takes nothing: what is sent waits. One that is
// shut has a client that is gone.
type deaf struct {
	onSend func()

	mu     sync.Mutex // guards what follows
	frames []string
	size   int // bytes of frames
	code   int // that it was shut with
}

// text is a framing that adds nothing.
type text struct{}

func (text) AppendMessage(dst, payload []byte) []byte { return append(append(dst, payload...), '\n') }

func (*deaf) Name() string             { return "deaf" }
func (*deaf) Framing() session.Framing { return text{} }
func (*deaf) Remote() string           { return "192.0.2.1:1" }
func (*deaf) Ping()                    {}
func (*deaf) Abort()                   {}

func (d *deaf) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.size
}

func (d *deaf) Send(frames []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.code != 0:
		return net.ErrClosed
	case d.size+len(frames) > buffer:
		return wire.ErrSlow
	}
	d.frames = append(d.frames, string(frames))
	d.size += len(frames)
	if d.onSend != nil {
		d.onSend()
	}
	return nil
}

func (d *deaf) Shut(code int, _ string, _ bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.code = code
}

// read takes all that waits.
func (d *deaf) read() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := strings.Join(d.frames, "")
	d.frames, d.size = nil, 0
	return all
}

// node is a server with a filled history, and the sessions of one client after another.
type node struct {
	t        testing.TB
	hub      *hub.Hub
	store    *store
	sessions *session.Registry
	server   *centrifuge.Server
	first    hub.Position // of the history, before its first message
}

// messages are in the history, of so many bytes each.
const messages, messageSize = 100, 60_000

func newNode(t testing.TB, subscribe ...string) *node {
	t.Helper()
	n := &node{t: t, store: &store{MemoryBroker: hub.NewMemoryBroker()}}
	n.hub = hub.New(hub.Options{Broker: n.store, Rules: hub.Rules{
		{Match: "*", ServerPublish: true, ClientPublish: true, Presence: true, History: hub.History{Size: messages, TTL: time.Hour, Bytes: 1 << 30}},
	}})
	hubtest.RunHub(t, n.hub)
	n.sessions = session.NewRegistry(session.Options{
		Hub: n.hub, Guard: access.Rules{For: n.hub.Rule}, Logger: slog.New(slog.DiscardHandler),
		Limits: session.Limits{Message: 64 << 10, Buffer: buffer, Subscriptions: 128},
	})
	n.server = centrifuge.New(centrifuge.Options{
		Hub: n.hub, Sessions: n.sessions, Links: carry.New(carry.Options{Hub: n.hub, Sessions: n.sessions}), Subscribe: subscribe,
	})
	return n
}

// fill fills the history of a channel.
func (n *node) fill(channel string) {
	for i := range messages {
		p := hubtest.Publish(n.t, n.hub, channel, fmt.Sprintf("%q", fmt.Sprint(i+1, " ", strings.Repeat("x", messageSize))))
		n.first = hub.Position{Epoch: p.Epoch}
	}
}

const connect = `{"id":1,"connect":{}}`

// open opens the session of a client that takes nothing, and says that, if it is not
// empty.
func (n *node) open(t testing.TB, d *deaf, connect string) *session.Session {
	t.Helper()
	s, err := n.sessions.Open(access.Hello{}, d, n.server.Endpoint().Speak)
	if err != nil || s.Prepare(access.Hello{}) != nil || !s.Begin() {
		t.Fatal("the client is refused", err)
	}
	t.Cleanup(s.End)
	s.Opened()
	if connect != "" {
		s.Receive(session.Text, []byte(connect))
	}
	return s
}

// frame is one of many commands.
func frame(n int, command string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":%d,%s}`+"\n", i+10, command)
	}
	return b.String()
}

// TestOneFrameIsBounded has a client that does not read ask for as much as one frame
// can: what waits for it stays within its allowance, nothing is read of the store that
// there is no room for, and each command is answered.
func TestOneFrameIsBounded(t *testing.T) {
	for _, tc := range []struct {
		name, command string
		times         int
		before        func(*node)
	}{
		{"histories", `"history":{"channel":"chat","limit":1000}`, 700, nil},
		{"histories in reverse", `"history":{"channel":"chat","limit":-1,"reverse":true}`, 700, nil},
		{"presences", `"presence":{"channel":"chat"}`, 1400, func(n *node) {
			for i := range 900 {
				c := hub.ClientInfo{Client: fmt.Sprint("c", i), ChanInfo: fmt.Appendf(nil, "%q", strings.Repeat("x", 1000))}
				_ = n.store.Join(n.t.Context(), "chat", c)
			}
		}},
		{"recoveries", `"subscribe":{"channel":"chat","recover":true,"epoch":"EPOCH"}`, 700, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNode(t)
			n.fill("chat")
			if tc.before != nil {
				tc.before(n)
			}
			d := &deaf{}
			s := n.open(t, d, connect)
			if !strings.Contains(tc.command, "subscribe") {
				s.Receive(session.Text, []byte(`{"id":2,"subscribe":{"channel":"chat"}}`))
			}
			d.read()
			n.store.reads = 0
			s.Receive(session.Text, []byte(frame(tc.times, strings.ReplaceAll(tc.command, "EPOCH", n.first.Epoch))))
			if d.size > buffer || d.code != 0 {
				t.Errorf("%d bytes wait for the client, which was sent away with %d; want %d at most, and 0", d.size, d.code, buffer)
			}
			if n.store.reads > 8 || n.store.most > 5<<20 {
				t.Errorf("the store was read %d times, %d bytes at once; want 8 times at most, and 5 MiB", n.store.reads, n.store.most)
			}
			answered := d.read()
			for id := range tc.times {
				if !strings.Contains(answered, fmt.Sprintf(`{"id":%d,`, id+10)) {
					t.Fatalf("command %d is not answered", id)
				}
			}
			refused := strings.Count(answered, `"error":{"code":111,`)
			t.Logf("%d bytes of commands: %d bytes of replies, %d of %d refused, %d readings", tc.times*len(tc.command), len(answered), refused, tc.times, n.store.reads)
			if refused < tc.times-10 || !strings.Contains(answered, "limits.buffer") || !strings.Contains(answered, `"temporary":true`) {
				t.Errorf("%d of %d commands are refused", refused, tc.times)
			}
			s.Receive(session.Text, []byte(frame(1, tc.command)))
			if got := d.read(); strings.Contains(got, `"code":111`) {
				t.Errorf("when all was read: %.300s", got)
			}
		})
	}
}

// TestGoneClientIsNotAnswered has a client go while the first of many commands is
// answered: the others are not carried out.
func TestGoneClientIsNotAnswered(t *testing.T) {
	n := newNode(t)
	n.fill("chat")
	d := &deaf{}
	s := n.open(t, d, connect)
	s.Receive(session.Text, []byte(`{"id":2,"subscribe":{"channel":"chat"}}`))
	n.store.reads = 0
	d.onSend = func() { s.BeginClosing() }
	s.Receive(session.Text, []byte(frame(700, `"history":{"channel":"chat","limit":1000}`)))
	if n.store.reads != 1 {
		t.Errorf("%d histories were read for a client that went after the first", n.store.reads)
	}
}

// numbers are those of the messages that a client has heard, in replies and pushes.
func numbers(t *testing.T, heard string) (all []int) {
	t.Helper()
	for line := range strings.Lines(heard) {
		var said struct {
			Connect struct {
				Subs map[string]struct{ Publications []struct{ Data string } }
			}
			Subscribe struct{ Publications []struct{ Data string } }
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatalf("%v: %.200q", err, line)
		}
		for _, p := range append(said.Subscribe.Publications, said.Connect.Subs["chat"].Publications...) {
			var n int
			fmt.Sscan(p.Data, &n)
			all = append(all, n)
		}
	}
	return all
}

// TestRecoveryInParts recovers six megabytes: in replies of a quarter of the allowance
// each, behind each of which the client is asked to subscribe again.
func TestRecoveryInParts(t *testing.T) {
	n := newNode(t)
	n.fill("chat")
	d := &deaf{}
	s := n.open(t, d, connect)
	d.read()
	at, parts := 0, 0
	for more := true; more; parts++ {
		s.Receive(session.Text, fmt.Appendf(nil, `{"id":2,"subscribe":{"channel":"chat","recover":true,"epoch":%q,"offset":%d,"flag":2}}`, n.first.Epoch, at))
		heard := d.read()
		more = strings.HasSuffix(heard, "\n"+`{"push":{"channel":"chat","unsubscribe":{"code":2500,"reason":"there is more to recover"}}}`+"\n")
		got := numbers(t, heard)
		if len(got) == 0 || len(heard) > buffer/4+messageSize || !strings.Contains(heard, `"recovered":true,"positioned":true`) && !strings.Contains(heard, fmt.Sprintf(`"recovered":true,"offset":%d,"positioned":true`, at)) {
			t.Fatalf("part %d from %d: %d messages in %d bytes: %.200s", parts, at, len(got), len(heard), heard)
		}
		for i, number := range got {
			if number != at+i+1 {
				t.Fatalf("heard %d behind %d", number, at+i)
			}
		}
		at += len(got)
	}
	if at != messages || parts < 20 {
		t.Errorf("%d messages came in %d parts", at, parts)
	}
	hubtest.Publish(t, n.hub, "chat", `"live"`)
	hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.Contains(d.read(), `"data":"live"`) }, "the subscription goes on")
}

// TestConnectRecoversInParts does the same with a server-side subscription, which a
// client recovers when it connects.
func TestConnectRecoversInParts(t *testing.T) {
	n := newNode(t, "date", "chat")
	n.fill("chat")
	epoch := n.first.Epoch
	at, parts := 0, 0
	for more := true; more; parts++ {
		d := &deaf{}
		n.open(t, d, fmt.Sprintf(`{"id":1,"connect":{"subs":{"chat":{"recover":true,"epoch":%q,"offset":%d}}}}`, epoch, at))
		heard := d.read()
		got := numbers(t, heard)
		if len(heard) > buffer/4+messageSize {
			t.Fatalf("part %d: %d bytes", parts, len(heard))
		}
		for i, number := range got {
			if number != at+i+1 {
				t.Fatalf("heard %d behind %d", number, at+i)
			}
		}
		at += len(got)
		if more = d.code != 0; more && d.code != 3010 {
			t.Fatalf("sent away with %d", d.code)
		}
	}
	if at != messages || parts < 20 {
		t.Errorf("%d messages came in %d parts", at, parts)
	}
}
