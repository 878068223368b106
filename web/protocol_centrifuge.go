package web

import (
	"bytes"
	"encoding/json"
	"sync/atomic"
	"time"

	"belfry/hub"
)

// centrifuge is the Centrifuge client protocol in JSON
// (centrifugal/protocol, definitions/client.proto): commands with an ID up,
// replies and pushes down, several of each in a frame, one on a line.
type centrifuge struct {
	session   *session
	connected atomic.Bool
	ponged    atomic.Bool // since the last ping
	idle      atomic.Bool // not connected at the last ping
	started   []*hub.Subscription
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
		p.session.send(p.session.transport.framing().appendFrame(nil, []byte("{}")))
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
	var replies []byte
	for line := range bytes.Lines(text) {
		reply, ok := p.line(line)
		if !ok {
			p.flush(replies)
			p.session.close(closeBadRequest)
			return
		}
		if reply != nil {
			replies = append(appendJSON(replies, reply), '\n')
		}
	}
	p.flush(replies)
}

func (p *centrifuge) flush(replies []byte) {
	if len(replies) > 0 {
		p.session.send(p.session.transport.framing().appendFrame(nil, bytes.TrimSuffix(replies, []byte("\n"))))
	}
	for _, sub := range p.started {
		sub.Start()
	}
	p.started = nil
}

// line handles one command. It returns false when the line makes no sense.
func (p *centrifuge) line(line []byte) (*reply, bool) {
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
	if err := p.do(&cmd, r); err != nil {
		r = &reply{ID: cmd.ID, Error: publicError(err)}
	}
	return r, true
}

// do carries out one command and puts the result into the reply.
func (p *centrifuge) do(cmd *command, r *reply) (err error) {
	switch {
	case cmd.Connect != nil:
		r.Connect = p.connect()
	case cmd.Subscribe != nil:
		r.Subscribe, err = p.subscribe(cmd.Subscribe)
	case cmd.Unsubscribe != nil:
		p.session.unsubscribe(cmd.Unsubscribe.Channel)
		r.Unsubscribe = &struct{}{}
	case cmd.Publish != nil:
		r.Publish, err = &struct{}{}, p.publish(cmd.Publish)
	case cmd.PresenceStats != nil:
		r.PresenceStats, err = p.presenceStats(cmd.PresenceStats.Channel)
	case cmd.Ping != nil:
		r.Ping = &struct{}{}
	case cmd.History != nil:
		r.History, err = p.history(cmd.History)
	case cmd.Presence != nil, cmd.RPC != nil, cmd.Refresh != nil, cmd.SubRefresh != nil:
		return errNotAvailable
	default:
		return errMethodNotFound
	}
	return err
}

func (p *centrifuge) connect() *connectResult {
	p.connected.Store(true)
	return &connectResult{
		Client:  p.session.id,
		Version: "belfry " + p.session.server.version,
		Ping:    int(pingInterval / time.Second),
		Pong:    true,
		Node:    p.session.server.node,
		Time:    time.Now().UnixMilli(),
	}
}

func (p *centrifuge) subscribe(req *subscribeRequest) (*subscribeResult, error) {
	var o hub.SubscribeOptions
	if req.Recover {
		o.Recover = &hub.Position{Epoch: req.Epoch, Offset: req.Offset}
	}
	e := encoder{payloadCentrifuge, p.session.transport.framing()}
	sub, err := p.session.subscribe(req.Channel, e, o)
	if err != nil {
		return nil, err
	}
	if req.Recover && !sub.Recovered && req.Flag&flagRefuse != 0 && sub.Position.Epoch != "" {
		p.session.unsubscribe(req.Channel)
		return nil, errUnrecoverable
	}
	p.started = append(p.started, sub)
	return newSubscribeResult(req, sub), nil
}

// newSubscribeResult words a subscription. A recovered one keeps the position
// that was asked for, and what follows it brings the client up to date.
func newSubscribeResult(req *subscribeRequest, sub *hub.Subscription) *subscribeResult {
	r := &subscribeResult{Epoch: sub.Position.Epoch, Offset: sub.Position.Offset, WasRecovering: req.Recover}
	if r.Epoch == "" {
		return &subscribeResult{WasRecovering: req.Recover}
	}
	r.Recoverable, r.Positioned = true, true
	if sub.Recovered {
		r.Recovered, r.Offset = true, req.Offset
		r.Publications = newPublications(sub.Missed)
	}
	return r
}

// lost makes the client subscribe again, with its last position.
func (p *centrifuge) lost(channel string) {
	p.session.unsubscribe(channel)
	push := appendUnsubscribe(nil, channel, unsubscribeInsufficient, "insufficient state")
	p.session.send(p.session.transport.framing().appendFrame(nil, push))
}

// history answers subscribers only: others would read what they may not hear.
func (p *centrifuge) history(req *historyRequest) (*historyResult, error) {
	if !p.session.subscribed(req.Channel) {
		return nil, errClientDenied
	}
	ctx, cancel := callContext()
	defer cancel()
	return p.session.server.history(ctx, req)
}

func (p *centrifuge) publish(req *pubRequest) error {
	c := p.session
	rule, err := c.server.hub.Rule(req.Channel)
	if err != nil {
		return err
	}
	if !rule.ClientPublish {
		return errClientDenied
	}
	data, err := compact(req.Data)
	if err != nil {
		return badRequest("data", "is missing: any JSON value is accepted")
	}
	ctx, cancel := callContext()
	defer cancel()
	m := &hub.Message{Data: data, Info: &hub.ClientInfo{Client: c.id}}
	_, err = c.server.hub.Publish(ctx, req.Channel, m, hub.PublishOptions{})
	return err
}

// presenceStats counts the subscribers of a channel on this node.
func (p *centrifuge) presenceStats(channel string) (*presenceStatsResult, error) {
	if !p.session.subscribed(channel) {
		return nil, errClientDenied
	}
	n := p.session.server.hub.NumSubscribers(channel)
	return &presenceStatsResult{NumClients: n, NumUsers: n}, nil
}
