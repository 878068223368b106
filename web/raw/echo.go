package raw

import (
	"context"
	"strings"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/session"
)

// echoChannel is where the echo says who left.
const echoChannel = "echo"

// Echo is the endpoint of the echo: the date each second, every message back to
// its sender, and a line when somebody leaves. "quit" hangs up.
func Echo() session.Endpoint {
	return endpoint(func(s *session.Session) session.Protocol {
		return &echo{raw{TextOnly: session.TextOnly{Session: s}}}
	})
}

type echo struct{ raw }

// Name implements [session.Protocol].
func (p *echo) Name() string { return "echo" }

// Prepare implements [session.Protocol]. A client that may not hear one of the channels
// has its echo all the same.
func (p *echo) Prepare(ctx context.Context, _ access.Hello) error {
	for _, channel := range []string{hub.DateChannel, echoChannel} {
		err := p.listen(ctx, channel, nil)
		if err == nil {
			continue
		}
		if kind := fault.From(err).Kind; kind != fault.NoToken && kind != fault.Denied {
			return err
		}
	}
	return nil
}

// Text implements [session.Protocol]. It answers its own session: the one message
// that takes no path through the hub.
func (p *echo) Text(text []byte) {
	if string(text) == "quit" {
		p.Session.Close(session.Normal)
		return
	}
	p.Session.Send(p.Session.Framing().AppendMessage(nil, text))
}

// Gone implements [session.Protocol]. When the node goes down everybody leaves,
// and nobody hears of it.
func (p *echo) Gone() {
	if p.Session.IsDraining() {
		return
	}
	ctx, cancel := session.CallContext()
	defer cancel()
	text := fault.AppendString(nil, guestName(p.Session.ID())+" left")
	if err := p.Session.PublishAsServer(ctx, echoChannel, text); err != nil {
		p.Session.Logger().Debug("echo could not say who left", "session", p.Session.ID(), "err", err)
	}
}

// guestName is what others call an anonymous session.
func guestName(id string) string { return "guest-" + strings.ToLower(id[:5]) }
