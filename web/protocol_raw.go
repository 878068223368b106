package web

import (
	"belfry/hub"
	"belfry/web/fault"
)

// echoChannel is where the echo says who left.
const echoChannel = "echo"

// raw is the protocol of plain text: a channel's messages come as they are, and
// what the client says is published.
type raw struct {
	session *session
	channel string
	waiting []*hub.Subscription // to be started when the client is connected
}

// prepare subscribes before the client hears that it is connected, because
// nothing else would tell it from when on it misses nothing.
func (p *raw) prepare() error { return p.listen(p.channel) }

func (p *raw) listen(channel string) error {
	c := p.session
	ctx, cancel := callContext()
	defer cancel()
	sub, err := c.subscribe(ctx, channel, encoder{payloadRaw, c.transport.framing()}, nil, detail{})
	if err == nil {
		p.waiting = append(p.waiting, sub)
	}
	return err
}

func (p *raw) opened() {
	for _, sub := range p.waiting {
		sub.Start()
	}
	p.waiting = nil
}

func (p *raw) message(text []byte) { aside(func() { p.publish(text) }) }

func (p *raw) publish(text []byte) {
	c := p.session
	if rule, err := c.server.hub.Rule(p.channel); err != nil || !rule.ClientPublish {
		c.close(closeDenied)
		return
	}
	ctx, cancel := callContext()
	defer cancel()
	m := &hub.Message{Data: rawData(text), Info: &hub.ClientInfo{Client: c.id}}
	if _, err := c.server.hub.Publish(ctx, p.channel, m, hub.PublishOptions{}); err != nil {
		c.server.logger.Warn("raw publish", "channel", p.channel, "err", err)
		c.close(closeUnavailable)
	}
}

func (p *raw) gone() {}
func (p *raw) ping() {}

// lost does nothing: plain text has no word for it.
func (p *raw) lost(*hub.Subscription) {}

func (p *raw) closeCode(why closeReason) (int, string) {
	c := rawCodes[why]
	return c.code, c.reason
}

// echo is the protocol of the echo: the date each second, every message back to
// its sender, and a line when somebody leaves.
type echo struct {
	raw
}

func newEcho(c *session) protocol { return &echo{raw{session: c}} }

func (p *echo) prepare() error {
	if err := p.listen(hub.DateChannel); err != nil {
		return err
	}
	return p.listen(echoChannel)
}

// message answers its own session: the one message that takes no path through
// the hub.
func (p *echo) message(text []byte) {
	if string(text) == "quit" {
		p.session.close(closeNormal)
		return
	}
	p.session.send(p.session.transport.framing().appendFrame(nil, text))
}

func (p *echo) gone() {
	c := p.session
	if c.server.isDraining() {
		return // everybody leaves
	}
	ctx, cancel := callContext()
	defer cancel()
	m := &hub.Message{Data: fault.AppendString(nil, guestName(c.id)+" left")}
	if _, err := c.server.hub.Publish(ctx, echoChannel, m, hub.PublishOptions{}); err != nil {
		c.server.logger.Debug("echo could not say who left", "session", c.id, "err", err)
	}
}
