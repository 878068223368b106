package web

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
)

var (
	errMethodNotFound = fault.New(fault.UnknownMethod, "method not found")
	errNotAvailable   = fault.New(fault.NotAvailable, "not available")
	errUnrecoverable  = fault.New(fault.Unrecoverable, "unrecoverable position")
)

// centrifuge is the Centrifuge client protocol in JSON
// (centrifugal/protocol, definitions/client.proto): commands with an ID up,
// replies and pushes down, several of each in a frame, one on a line.
type centrifuge struct {
	session   *session
	connected atomic.Bool
	ponged    atomic.Bool // since the last ping
	idle      atomic.Bool // not connected at the last ping

	// mu is held while commands are carried out, or what a backend wants of the
	// session, so that the client hears of each in the order in which it was
	// done. A loss does not wait for it.
	mu sync.Mutex
}

// answer is what one frame of commands is answered with.
type answer struct {
	replies []byte
	started []*hub.Subscription // to be started once the replies are on their way
}

// centrifugeSubprotocol is the one for JSON, if it is offered.
func centrifugeSubprotocol(offered []string) string {
	if slices.Contains(offered, "centrifuge-json") {
		return "centrifuge-json"
	}
	return ""
}

func newCentrifuge(c *session) protocol { return &centrifuge{session: c} }

func (p *centrifuge) prepare() error {
	p.ponged.Store(true)
	return nil
}

func (p *centrifuge) opened() {}
func (p *centrifuge) gone()   {}

// ping sends the empty object, which a client has to answer with the same. A
// client that has not said connect by its second ping is stale.
func (p *centrifuge) ping() {
	switch {
	case !p.connected.Load():
		if p.idle.Swap(true) {
			p.session.close(closeStale)
		}
	case !p.ponged.Swap(false):
		p.session.close(closeNoPong)
	default:
		p.send([]byte("{}"))
	}
}

func (p *centrifuge) closeCode(why closeReason) (int, string) {
	c := centrifugeCodes[why]
	return c.code, c.reason
}

// message handles one frame.
func (p *centrifuge) message(text []byte) {
	if string(text) == "{}" {
		p.ponged.Store(true)
		return
	}
	aside(func() { p.commands(text) })
}

// commands handles the commands of one frame and answers them in one frame.
// Subscriptions start once the answer is on its way.
func (p *centrifuge) commands(text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var a answer
	for line := range bytes.Lines(text) {
		reply, ok := p.line(line, &a)
		if !ok {
			p.flush(&a)
			p.session.close(closeBadRequest)
			return
		}
		if reply != nil {
			a.replies = append(fault.AppendJSON(a.replies, reply), '\n')
		}
	}
	p.flush(&a)
}

func (p *centrifuge) flush(a *answer) {
	if len(a.replies) > 0 {
		p.send(bytes.TrimSuffix(a.replies, []byte("\n")))
	}
	for _, sub := range a.started {
		sub.Start()
	}
}

// send sends JSON texts, each as a message of its own.
func (p *centrifuge) send(texts ...[]byte) {
	var frames []byte
	for _, text := range texts {
		frames = p.session.transport.framing().AppendMessage(frames, text)
	}
	p.session.send(frames)
}

// line handles one command. It returns false when the line makes no sense.
func (p *centrifuge) line(line []byte, a *answer) (*reply, bool) {
	line = bytes.TrimSpace(line)
	var cmd command
	switch {
	case len(line) == 0:
		return nil, true
	case string(line) == "{}":
		p.ponged.Store(true)
		return nil, true
	case json.Unmarshal(line, &cmd) != nil:
		return nil, false
	case cmd.Send != nil:
		return nil, p.connected.Load()
	case cmd.ID == 0:
		return nil, false
	case p.connected.Load() == (cmd.Connect != nil):
		return nil, false // connect comes first, and once
	}
	r := &reply{ID: cmd.ID}
	if err := p.do(&cmd, r, a); err != nil {
		r = &reply{ID: cmd.ID, Error: p.publicError(err)}
	}
	return r, true
}

// publicError is what the client hears of an error. What it does not hear is
// logged.
func (p *centrifuge) publicError(err error) *replyError {
	e := fault.From(err)
	if e.Kind == fault.Internal {
		p.session.server.logger.Error("command", "session", p.session.id, "err", err)
	}
	return newReplyError(e)
}

// do carries out one command and puts the result into the reply.
func (p *centrifuge) do(cmd *command, r *reply, a *answer) (err error) {
	ctx, cancel := callContext()
	defer cancel()
	switch {
	case cmd.Connect != nil:
		r.Connect, err = p.connect(ctx, cmd.Connect, a)
	case cmd.Subscribe != nil:
		r.Subscribe, err = p.subscribe(ctx, cmd.Subscribe, a)
	case cmd.Unsubscribe != nil:
		p.session.unsubscribe(cmd.Unsubscribe.Channel)
		r.Unsubscribe = &struct{}{}
	case cmd.Publish != nil:
		r.Publish, err = &struct{}{}, p.publish(ctx, cmd.Publish)
	case cmd.Presence != nil:
		r.Presence, err = p.presence(ctx, cmd.Presence.Channel)
	case cmd.PresenceStats != nil:
		r.PresenceStats, err = p.presenceStats(ctx, cmd.PresenceStats.Channel)
	case cmd.History != nil:
		r.History, err = p.history(ctx, cmd.History)
	case cmd.Ping != nil:
		r.Ping = &struct{}{}
	case cmd.RPC != nil:
		r.RPC, err = p.rpc(cmd.RPC)
	case cmd.Refresh != nil, cmd.SubRefresh != nil:
		return errNotAvailable // there are no tokens
	default:
		return errMethodNotFound
	}
	return err
}

func (p *centrifuge) publish(ctx context.Context, req *pubRequest) error {
	data, err := fault.Compact(req.Data)
	if err != nil {
		return fault.Field("data", "is missing: any JSON value is accepted")
	}
	return p.session.publish(ctx, req.Channel, data)
}

func (p *centrifuge) history(ctx context.Context, req *historyRequest) (*historyResult, error) {
	rule, err := p.session.mayRead(ctx, access.ReadHistory, req.Channel)
	if err != nil {
		return nil, err
	}
	return p.session.server.history(ctx, rule, req)
}

func (p *centrifuge) presence(ctx context.Context, channel string) (*presenceResult, error) {
	rule, err := p.session.mayRead(ctx, access.ReadPresence, channel)
	if err != nil {
		return nil, err
	}
	r, err := p.session.server.presence(ctx, rule, channel)
	if err == nil && r.size() > p.session.server.limits.Buffer {
		return nil, errPresenceLimit
	}
	return r, err
}

func (p *centrifuge) presenceStats(ctx context.Context, channel string) (*presenceStatsResult, error) {
	rule, err := p.session.mayRead(ctx, access.ReadPresence, channel)
	if err != nil {
		return nil, err
	}
	return p.session.server.presenceStats(ctx, rule, channel)
}

func (p *centrifuge) rpc(req *rpcRequest) (*rpcResult, error) {
	ctx, cancel := context.WithTimeout(context.Background(), rpcWait)
	defer cancel()
	return p.session.server.rpc(ctx, hub.ClientInfo{Client: p.session.id}, req.Method, req.Data)
}
