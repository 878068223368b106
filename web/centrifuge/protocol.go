package centrifuge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/session"
)

var (
	errMethodNotFound = fault.New(fault.UnknownMethod, "method not found")
	errNotAvailable   = fault.New(fault.NotAvailable, "not available")
	errUnrecoverable  = fault.New(fault.Unrecoverable, "unrecoverable position")
	errBehind         = fault.New(fault.TooMany, "too much waits for this client already (limits.buffer): ask again when it has been read")
)

const (
	// flushSize is how many bytes of replies are made before they are sent: the
	// next reply is made when the client has been given these.
	flushSize = 16 << 10
	// maxStarting is how many subscriptions may wait for their replies to be sent.
	// What comes on them meanwhile waits, too.
	maxStarting = 16
)

// protocol is what one session says. Its commands are carried out one after the other,
// on the goroutine of the message or the request that brought them, and each may wait
// two seconds for the hub, or four for an RPC.
type protocol struct {
	session.TextOnly
	server    *Server
	secret    string // names the session in requests to /emulation; empty elsewhere
	unknown   error  // why the client is not known by what it came with
	connected atomic.Bool
	ponged    atomic.Bool // since the last ping
	idle      atomic.Bool // not connected at the last ping

	// mu is held while commands are carried out, or what a backend wants of the
	// session, so that the client hears of each in the order in which it was
	// done. A loss does not wait for it.
	mu sync.Mutex
}

// answer is what commands of one frame are answered with, as far as it has not been
// sent.
type answer struct {
	replies []byte              // and pushes, one on a line
	started []*hub.Subscription // to be started once the replies are on their way
	behind  []byte              // a push that is to follow the reply, or nil
	read    func()              // called once the reply is made, for others to read; nil: it is small
	lost    bool                // the client is to connect again once it has the replies
}

// Name implements [session.Protocol].
func (p *protocol) Name() string { return "centrifuge" }

// Prepare implements [session.Protocol]. Who the client is shows with the connect
// command.
func (p *protocol) Prepare(context.Context, access.Hello) error { return nil }

// Opened implements [session.Protocol].
func (p *protocol) Opened() {}

// Gone implements [session.Protocol].
func (p *protocol) Gone() {}

// Ping implements [session.Protocol]. It sends the empty object, which a client has to
// answer with the same before the next. A client that has not said connect by its
// second ping is stale.
func (p *protocol) Ping() {
	switch {
	case !p.connected.Load():
		if p.idle.Swap(true) {
			p.Session.Close(session.Stale)
		}
	case !p.ponged.Swap(false):
		p.Session.Close(session.NoPong)
	default:
		p.send([]byte("{}"))
	}
}

// CloseCode implements [session.Protocol].
func (p *protocol) CloseCode(why session.Reason) (int, string) {
	c := closeCodes[why]
	return c.code, c.reason
}

// Text implements [session.Protocol]. It handles one frame.
func (p *protocol) Text(text []byte) {
	if string(text) == "{}" {
		p.ponged.Store(true)
		return
	}
	session.OnOwnStack(func() { p.commands(text) })
}

// commands handles the commands of one frame and answers them in one frame, or in
// several when there is much to say. Subscriptions start once the answer is on its
// way. When the session has ended meanwhile the rest of the commands is left out. A
// line that makes no sense closes the session, as some tokens do, after what came before
// it was answered. It holds the lock throughout.
func (p *protocol) commands(text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var a answer
	for line := range bytes.Lines(text) {
		reply, why, ok := p.line(line, &a)
		if !ok {
			p.flush(&a)
			p.Session.Close(why)
			return
		}
		switch {
		case reply == nil:
		case reply.isLarge():
			p.server.sessions.InTurn(func() { a.add(reply) })
		default:
			a.add(reply)
		}
		a.wasRead()
		if len(a.replies) >= flushSize || len(a.started) >= maxStarting || a.lost {
			p.flush(&a)
		}
		if !p.Session.IsOpen() {
			return
		}
	}
	p.flush(&a)
}

// add puts a reply at the end, and what is to follow it.
func (a *answer) add(r *reply) {
	a.replies = append(fault.AppendJSON(a.replies, r), '\n')
	if a.behind != nil {
		a.replies = append(append(a.replies, a.behind...), '\n')
	}
	a.behind = nil
}

// wasRead lets others read.
func (a *answer) wasRead() {
	if a.read != nil {
		a.read()
		a.read = nil
	}
}

// flush sends what there is, and starts what it tells of. It runs under the lock.
func (p *protocol) flush(a *answer) {
	if len(a.replies) > 0 {
		p.send(bytes.TrimSuffix(a.replies, []byte("\n")))
	}
	for _, sub := range a.started {
		sub.Start()
	}
	if a.lost {
		p.Session.Close(session.Lost)
	}
	*a = answer{}
}

// send sends JSON texts, each as a message of its own.
func (p *protocol) send(texts ...[]byte) {
	var frames []byte
	for _, text := range texts {
		frames = p.Session.Framing().AppendMessage(frames, text)
	}
	p.Session.Send(frames)
}

// line handles one command. It returns false when that ends the session, and why.
func (p *protocol) line(line []byte, a *answer) (_ *reply, why session.Reason, ok bool) {
	line = bytes.TrimSpace(line)
	var cmd command
	switch {
	case len(line) == 0:
		return nil, 0, true
	case string(line) == "{}":
		p.ponged.Store(true)
		return nil, 0, true
	case json.Unmarshal(line, &cmd) != nil:
		return nil, session.BadRequest, false
	case cmd.Send != nil:
		return nil, session.BadRequest, p.connected.Load()
	case cmd.ID == 0:
		return nil, session.BadRequest, false
	case p.connected.Load() == (cmd.Connect != nil):
		return nil, session.BadRequest, false // connect comes first, and once
	}
	p.Turn()
	r := &reply{ID: cmd.ID}
	var end *ending
	switch err := p.do(&cmd, r, a); {
	case errors.As(err, &end):
		return nil, end.why, false
	case err != nil:
		r = &reply{ID: cmd.ID, Error: p.publicError(err)}
	}
	return r, 0, true
}

// publicError is what the client hears of an error. What it does not hear is
// logged.
func (p *protocol) publicError(err error) *replyError {
	e := fault.From(err)
	if e.Kind == fault.Internal {
		p.Session.Logger().Error("command", "session", p.Session.ID(), "err", err)
	}
	return newReplyError(e)
}

// do carries out one command and puts the result into the reply. Subscriptions that
// it makes are put into the answer, to be started.
func (p *protocol) do(cmd *command, r *reply, a *answer) (err error) {
	ctx, cancel := session.CallContext()
	defer cancel()
	switch {
	case cmd.asksMuch() && p.Session.Waiting() > p.server.limits.Behind():
		return errBehind
	case cmd.Connect != nil:
		r.Connect, err = p.connect(ctx, cmd.Connect, a)
	case cmd.Subscribe != nil:
		r.Subscribe, err = p.subscribe(ctx, cmd.Subscribe, a)
	case cmd.Unsubscribe != nil:
		p.Session.Unsubscribe(cmd.Unsubscribe.Channel)
		r.Unsubscribe = &struct{}{}
	case cmd.Publish != nil:
		r.Publish, err = &struct{}{}, p.publish(ctx, cmd.Publish)
	case cmd.Presence != nil:
		r.Presence, err = p.presence(ctx, cmd.Presence.Channel, a)
	case cmd.PresenceStats != nil:
		r.PresenceStats, err = p.presenceStats(ctx, cmd.PresenceStats.Channel)
	case cmd.History != nil:
		r.History, err = p.history(ctx, cmd.History, a)
	case cmd.Ping != nil:
		r.Ping = &struct{}{}
	case cmd.RPC != nil:
		r.RPC, err = p.rpc(cmd.RPC)
	case cmd.Refresh != nil:
		r.Refresh, err = p.refresh(ctx, cmd.Refresh)
	case cmd.SubRefresh != nil:
		r.SubRefresh, err = p.subRefresh(ctx, cmd.SubRefresh)
	default:
		return errMethodNotFound
	}
	return err
}

// publish publishes what the client says, if it may.
func (p *protocol) publish(ctx context.Context, req *pubRequest) error {
	data, err := fault.Compact(req.Data)
	if err != nil {
		if len(req.Data) == 0 {
			return fault.Field("data", "is missing: any JSON value is accepted")
		}
		return fault.Field("data", err.Error())
	}
	return p.Session.Publish(ctx, req.Channel, data)
}

// history reads the history of a channel that the client is subscribed to.
func (p *protocol) history(ctx context.Context, req *HistoryRequest, a *answer) (*HistoryResult, error) {
	rule, err := p.Session.MayRead(ctx, access.ReadHistory, req.Channel)
	if err != nil {
		return nil, err
	}
	if a.read, err = p.server.sessions.ReadInTurn(ctx); err != nil {
		return nil, err
	}
	return p.server.History(ctx, rule, req, p.server.limits.Answer())
}

// presence reads who is on a channel that the client is subscribed to.
func (p *protocol) presence(ctx context.Context, channel string, a *answer) (*PresenceResult, error) {
	rule, err := p.Session.MayRead(ctx, access.ReadPresence, channel)
	if err != nil {
		return nil, err
	}
	if a.read, err = p.server.sessions.ReadInTurn(ctx); err != nil {
		return nil, err
	}
	return p.server.Presence(ctx, rule, channel, p.server.limits.Answer())
}

// presenceStats counts who is on a channel that the client is subscribed to.
func (p *protocol) presenceStats(ctx context.Context, channel string) (*PresenceStatsResult, error) {
	rule, err := p.Session.MayRead(ctx, access.ReadPresence, channel)
	if err != nil {
		return nil, err
	}
	return p.server.PresenceStats(ctx, rule, channel)
}

// rpc calls the handler, which has longer than other commands.
func (p *protocol) rpc(req *rpcRequest) (*RPCResult, error) {
	ctx, cancel := context.WithTimeout(context.Background(), RPCWait)
	defer cancel()
	return p.server.RPC(ctx, session.InfoOf(p.Session), req.Method, req.Data)
}
