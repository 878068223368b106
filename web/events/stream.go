package events

import (
	"context"
	"slices"
	"sync"
	"time"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/centrifuge"
	"belfry/web/fault"
	"belfry/web/session"
)

// errNotReady is for a request whose channels the broker has not answered for.
var errNotReady = fault.New(fault.NotServing, "not ready: the broker is away")

// stream is the protocol of a plain event stream: messages of some channels, each
// with the cursor behind it as its id.
type stream struct {
	session.TextOnly
	server  *Server
	wish    wish
	waiting []*hub.Subscription // to be started when the client is connected
	gaps    []string            // channels that could not be recovered
	room    int                 // bytes of what was missed that the client may still be sent
	more    bool                // more was missed than that: the client is to come back for it

	// mu is held while something is sent on several channels, so that cursors
	// go out in the order in which they were made.
	mu sync.Mutex
	at cursor // behind what was sent; kept up on several channels only
}

// speak makes a session speak what a request wishes.
func (s *Server) speak(c *session.Session, e wish) session.Protocol {
	p := &stream{TextOnly: session.TextOnly{Session: c}, server: s, wish: e, room: c.Limits().Buffer / 2}
	if !p.alone() {
		c.DeliverBy(p.deliver)
	}
	return p
}

// Name implements [session.Protocol].
func (p *stream) Name() string { return "events" }

// alone reports whether there is one channel. The cursor behind a message is then
// the same for everybody, and so is the whole frame.
func (p *stream) alone() bool { return len(p.wish.channels) == 1 }

func (p *stream) encoder(access.Permit) hub.Encoder { return encoder{ids: p.alone()} }

// encoder is the format of event streams.
type encoder struct {
	ids bool // a line with the cursor comes first, for streams of the one channel
}

// AppendFrame implements [hub.Encoder]. There is no event for joins and leaves.
func (e encoder) AppendFrame(dst []byte, channel string, m *hub.Message) []byte {
	if m.Kind != hub.KindPublished {
		return dst
	}
	if e.ids && m.Offset > 0 {
		dst = appendID(dst, cursor{{cursorKey(channel), hub.Position{Epoch: m.Epoch, Offset: m.Offset}}})
	}
	return plain{}.AppendMessage(dst, appendEvent(nil, channel, m))
}

// appendEvent appends a message as /events says it: what the message has is worded
// as in the Centrifuge protocol.
func appendEvent(dst []byte, channel string, m *hub.Message) []byte {
	dst = append(dst, `{"channel":`...)
	dst = append(fault.AppendString(dst, channel), ',')
	return append(centrifuge.AppendContent(dst, m), '}')
}

// Prepare implements [session.Protocol]. It subscribes before the client hears that
// it is connected: it may be sent away still.
func (p *stream) Prepare(ctx context.Context, _ access.Hello) error {
	for _, channel := range p.wish.channels {
		if ctx.Err() != nil {
			return errNotReady
		}
		since := p.wish.since.position(channel)
		if p.room <= 0 && since != nil {
			p.at.set(channel, *since)
			p.more = true
			continue
		}
		sub, err := p.Session.Subscribe(ctx, channel, session.Wish{Encoder: p.encoder, Since: since, Bytes: p.room})
		if err != nil {
			return err
		}
		p.waiting = append(p.waiting, sub)
		if p.isTooMuch(sub) {
			p.at.set(channel, *since)
			continue
		}
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

// isTooMuch takes what was missed on a channel from what the client may still be
// sent, and reports whether it does not fit. What comes first always does.
func (p *stream) isTooMuch(sub *hub.Subscription) bool {
	size := 0
	for _, m := range sub.Missed {
		size += len(m.Data) + eventOverhead + markSize*len(p.wish.channels)
	}
	whole := p.Session.Limits().Buffer / 2
	if p.room < whole && size > p.room {
		sub.Missed, size, sub.More = nil, p.room, true
	}
	p.room -= size
	p.more = p.more || sub.More
	return size > 0 && sub.Missed == nil
}

// eventOverhead is what an event has beside the data of its message, about, and
// markSize how much of the cursor is about one channel.
const eventOverhead, markSize = 128, 24

// Opened implements [session.Protocol]. It tells where the client is, so that nothing is lost when it is cut off
// before its first message, and brings what it missed, all at once. When that is more
// than goes out at once, the stream ends behind the first part, and the client comes
// back for the rest from there.
func (p *stream) Opened() {
	var frames []byte
	switch {
	case len(p.gaps) > 0:
		frames = appendGap(nil, p.at, p.gaps...)
	case len(p.at) > 0:
		frames = append(appendID(nil, p.at), '\n')
	}
	add := func() { frames = p.appendMissed(frames) }
	if slices.ContainsFunc(p.waiting, func(sub *hub.Subscription) bool { return len(sub.Missed) > 0 }) {
		p.server.sessions.InTurn(add)
	} else {
		add()
	}
	if len(frames) > 0 {
		p.Session.Send(frames)
	}
	if p.more {
		for _, sub := range p.waiting {
			p.Session.Drop(sub)
		}
		p.server.endWhenRead(p.Session)
		p.waiting = nil
		return
	}
	for _, sub := range p.waiting {
		sub.Start()
	}
	p.waiting, p.gaps, p.wish.since = nil, nil, nil
}

// appendMissed appends what the client has missed, and lets go of it.
func (p *stream) appendMissed(frames []byte) []byte {
	for _, sub := range p.waiting {
		for _, m := range sub.Missed {
			p.at.set(sub.Channel(), hub.Position{Epoch: m.Epoch, Offset: m.Offset})
			frames = encoder{}.AppendFrame(appendID(frames, p.at), sub.Channel(), m)
		}
		if sub.Missed = nil; !sub.More {
			p.at.set(sub.Channel(), sub.Position)
		}
	}
	return frames
}

// endWhenRead ends a stream when its client has taken what it was sent. The transport
// of one that takes nothing closes, and then nothing waits any more.
func (s *Server) endWhenRead(c *session.Session) {
	s.sessions.Go(func() {
		for pause := 5 * time.Millisecond; c.Waiting() > 0; pause = min(2*pause, time.Second) {
			time.Sleep(pause)
		}
		c.CloseWith(codeMore, "there is more", false)
	})
}

// deliver puts this client's cursor before each frame that others share.
func (p *stream) deliver(sub *hub.Subscription, d hub.Delivery) error {
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
	return p.Session.Transmit(frames)
}

// Lost implements [session.Protocol]. It tells of the gap. The subscription goes on behind it, and the next message
// says where that is. A client that comes back before has its old position and
// hears of the gap again.
func (p *stream) Lost(sub *hub.Subscription) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Session.Send(appendGap(nil, nil, sub.Channel()))
}

// Ping implements [session.Protocol]. It sends a comment, and so keeps the stream alive in proxies.
func (p *stream) Ping() { p.Session.Send([]byte(":\n\n")) }

// Text implements [session.Protocol]: an event stream has one direction.
func (p *stream) Text([]byte) {}

// Gone implements [session.Protocol].
func (p *stream) Gone() {}

// CloseCode implements [session.Protocol].
func (p *stream) CloseCode(why session.Reason) (int, string) { return why.Code() }
