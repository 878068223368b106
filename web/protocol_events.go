package web

import (
	"sync"

	"belfry/hub"
	"belfry/web/fault"
)

// events is the protocol of a plain event stream: messages of some channels, each
// with the cursor behind it as its id.
type events struct {
	session *session
	wish    eventsWish
	waiting []*hub.Subscription // to be started when the client is connected
	gaps    []string            // channels that could not be recovered

	// mu is held while something is sent on several channels, so that cursors
	// go out in the order in which they were made.
	mu sync.Mutex
	at cursor // behind what was sent; kept up on several channels only
}

// newEvents makes a session speak what a request wishes.
func newEvents(wish eventsWish) func(*session) protocol {
	return func(c *session) protocol {
		p := &events{session: c, wish: wish}
		if !p.alone() {
			c.deliver = p.deliver
		}
		return p
	}
}

// alone reports whether there is one channel. The cursor behind a message is then
// the same for everybody, and so is the whole frame.
func (p *events) alone() bool { return len(p.wish.channels) == 1 }

func (p *events) encoder(*hub.Rule) hub.Encoder { return eventEncoder{ids: p.alone()} }

// eventEncoder is the format of event streams.
type eventEncoder struct {
	ids bool // a line with the cursor comes first, for streams of the one channel
}

// AppendFrame implements [hub.Encoder]. There is no event for joins and leaves.
func (e eventEncoder) AppendFrame(dst []byte, channel string, m *hub.Message) []byte {
	if m.Kind != hub.KindPublished {
		return dst
	}
	if e.ids && m.Offset > 0 {
		dst = appendID(dst, cursor{{cursorKey(channel), hub.Position{Epoch: m.Epoch, Offset: m.Offset}}})
	}
	return plain{}.AppendMessage(dst, appendEvent(nil, channel, m))
}

// appendEvent appends a message as /events says it.
func appendEvent(dst []byte, channel string, m *hub.Message) []byte {
	dst = append(dst, `{"channel":`...)
	dst = append(fault.AppendString(dst, channel), ',')
	return append(appendContent(dst, m), '}')
}

// prepare subscribes before the client hears that it is connected: it may be sent
// away still.
func (p *events) prepare() error {
	ctx, cancel := callContext()
	defer cancel()
	for _, channel := range p.wish.channels {
		if ctx.Err() != nil {
			return errNotReady
		}
		since := p.wish.since.position(channel)
		sub, err := p.session.subscribe(ctx, channel, wish{encoder: p.encoder, since: since})
		if err != nil {
			return err
		}
		p.waiting = append(p.waiting, sub)
		if p.wish.isGap(since, sub) {
			p.gaps = append(p.gaps, channel)
		}
		p.at.set(channel, begin(since, sub))
	}
	return nil
}

// begin is where a client is before it gets what it missed.
func begin(since *hub.Position, sub *hub.Subscription) hub.Position {
	if sub.Recovered {
		return *since
	}
	return sub.Position
}

// opened tells where the client is, so that nothing is lost when it is cut off
// before its first message, and brings what it missed, all at once.
func (p *events) opened() {
	var frames []byte
	switch {
	case len(p.gaps) > 0:
		frames = appendGap(nil, p.at, p.gaps...)
	case len(p.at) > 0:
		frames = append(appendID(nil, p.at), '\n')
	}
	for _, sub := range p.waiting {
		for _, m := range sub.Missed {
			p.at.set(sub.Channel(), hub.Position{Epoch: m.Epoch, Offset: m.Offset})
			frames = eventEncoder{}.AppendFrame(appendID(frames, p.at), sub.Channel(), m)
		}
		p.at.set(sub.Channel(), sub.Position)
	}
	if len(frames) > 0 {
		p.session.send(frames)
	}
	for _, sub := range p.waiting {
		sub.Start()
	}
	p.waiting, p.gaps, p.wish.since = nil, nil, nil
}

// deliver puts this client's cursor before each frame that others share.
func (p *events) deliver(sub *hub.Subscription, d hub.Delivery) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	frames := make([]byte, 0, 2*len(d.Frames))
	for i, m := range d.Messages {
		if m.Kind != hub.KindPublished {
			continue // has no frame
		}
		if m.Offset > 0 {
			p.at.set(sub.Channel(), hub.Position{Epoch: m.Epoch, Offset: m.Offset})
			frames = appendID(frames, p.at)
		}
		frames = append(frames, d.Frame(i)...)
	}
	if len(frames) == 0 {
		return nil
	}
	return p.session.transport.send(frames)
}

// lost tells of the gap. The subscription goes on behind it, and the next message
// says where that is. A client that comes back before has its old position and
// hears of the gap again.
func (p *events) lost(sub *hub.Subscription) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session.send(appendGap(nil, nil, sub.Channel()))
}

// ping sends a comment, and so keeps the stream alive in proxies.
func (p *events) ping() { p.session.send([]byte(":\n\n")) }

// message does nothing: an event stream has one direction.
func (p *events) message([]byte) {}
func (p *events) gone()          {}

func (p *events) closeCode(why closeReason) (int, string) {
	c := rawCodes[why]
	return c.code, c.reason
}
