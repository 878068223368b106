package raw

import (
	"context"
	"encoding/json"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/session"
)

// Channel is the endpoint of one channel, whose rule is given.
func Channel(channel string, rule *hub.Rule) session.Endpoint {
	return endpoint(func(s *session.Session) session.Protocol {
		return &raw{TextOnly: session.TextOnly{Session: s}, channel: channel, rule: rule}
	})
}

// endpoint is for clients of any draft. There are no credentials that a client
// could be tricked into showing here. Plain text goes with any subprotocol, so the
// first is chosen.
func endpoint(speak session.Speak) session.Endpoint {
	return session.Endpoint{Speak: speak, Drafts: true, Choose: func(offered []string) (string, session.Speak) {
		return append(offered, "")[0], nil
	}}
}

// raw is what a session on one channel says.
type raw struct {
	session.TextOnly
	channel string
	rule    *hub.Rule           // of the channel, until the session is prepared
	waiting []*hub.Subscription // to be started when the client is connected
}

// Name implements [session.Protocol].
func (p *raw) Name() string { return "raw" }

// Prepare implements [session.Protocol]. It subscribes before the client hears that
// it is connected, because nothing else would tell it from when on it misses
// nothing.
func (p *raw) Prepare(ctx context.Context, _ access.Hello) error {
	rule := p.rule
	p.rule = nil
	return p.listen(ctx, p.channel, rule)
}

func (p *raw) listen(ctx context.Context, channel string, rule *hub.Rule) error {
	sub, err := p.Session.Subscribe(ctx, channel, session.Wish{Rule: rule, Encoder: p.encoder})
	if err == nil {
		p.waiting = append(p.waiting, sub)
	}
	return err
}

// Opened implements [session.Protocol].
func (p *raw) Opened() {
	for _, sub := range p.waiting {
		sub.Start()
	}
	p.waiting = nil
}

// Text implements [session.Protocol].
func (p *raw) Text(text []byte) { session.OnOwnStack(func() { p.publish(text) }) }

func (p *raw) publish(text []byte) {
	ctx, cancel := session.CallContext()
	defer cancel()
	err := p.Session.Publish(ctx, p.channel, rawData(text))
	switch {
	case err == nil:
	case fault.From(err).Temporary:
		p.Session.Logger().Warn("raw publish", "channel", p.channel, "err", err)
		p.Session.Close(session.Unavailable)
	default:
		p.Session.Close(session.Denied)
	}
}

// Gone implements [session.Protocol].
func (p *raw) Gone() {}

// Ping implements [session.Protocol]: that of the transport has to do.
func (p *raw) Ping() {}

// Lost implements [session.Protocol]. Plain text has no word for it.
func (p *raw) Lost(*hub.Subscription) {}

// CloseCode implements [session.Protocol].
func (p *raw) CloseCode(why session.Reason) (int, string) { return why.Code() }

// encoder is the format of the session.
func (p *raw) encoder(access.Permit) hub.Encoder { return encoder{p.Session.Framing()} }

// encoder is the format of plain text in a framing: equal ones share frames.
type encoder struct{ framing session.Framing }

// AppendFrame implements [hub.Encoder]. Plain text has no word for joins and
// leaves.
func (e encoder) AppendFrame(dst []byte, _ string, m *hub.Message) []byte {
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
