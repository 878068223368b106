package web

import (
	"encoding/json"

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
	rule    *hub.Rule           // of the channel, until the session is prepared
	waiting []*hub.Subscription // to be started when the client is connected
}

// rawEncoder is the format of plain text in a framing: equal ones share frames.
type rawEncoder struct{ framing framing }

// AppendFrame implements [hub.Encoder]. Plain text has no word for joins and
// leaves.
func (e rawEncoder) AppendFrame(dst []byte, _ string, m *hub.Message) []byte {
	if m.Kind != hub.KindPublished {
		return dst
	}
	return e.framing.AppendMessage(dst, rawText(m.Data))
}

// rawText is what a raw stream says of a message's data: the text of a JSON
// string, and any other JSON as it is.
func rawText(data []byte) []byte {
	var text string
	if len(data) > 0 && data[0] == '"' && json.Unmarshal(data, &text) == nil {
		return []byte(text)
	}
	return data
}

// rawData is the message that a raw client's text stands for: a JSON object or
// array is published as such, any other text as a JSON string.
func rawData(text []byte) []byte {
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		if data, err := fault.Compact(text); err == nil {
			return data
		}
	}
	return fault.AppendString(nil, string(text))
}

// prepare subscribes before the client hears that it is connected, because
// nothing else would tell it from when on it misses nothing.
func (p *raw) prepare() error {
	rule := p.rule
	p.rule = nil
	return p.listen(p.channel, rule)
}

func (p *raw) listen(channel string, rule *hub.Rule) error {
	c := p.session
	ctx, cancel := callContext()
	defer cancel()
	sub, err := c.subscribe(ctx, channel, wish{rule: rule, encoder: func(*hub.Rule) hub.Encoder {
		return rawEncoder{c.transport.framing()}
	}})
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
	ctx, cancel := callContext()
	defer cancel()
	err := c.publish(ctx, p.channel, rawData(text))
	switch {
	case err == nil:
	case fault.From(err).Temporary:
		c.server.logger.Warn("raw publish", "channel", p.channel, "err", err)
		c.close(closeUnavailable)
	default:
		c.close(closeDenied)
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
	if err := p.listen(hub.DateChannel, nil); err != nil {
		return err
	}
	return p.listen(echoChannel, nil)
}

// message answers its own session: the one message that takes no path through
// the hub.
func (p *echo) message(text []byte) {
	if string(text) == "quit" {
		p.session.close(closeNormal)
		return
	}
	p.session.send(p.session.transport.framing().AppendMessage(nil, text))
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
