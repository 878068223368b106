package events

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/carry"
	"belfry/web/fault"
	"belfry/web/session"
)

// poll is one long-poll: a subscriber that lives until there is something to
// answer. It is nobody in a channel's presence.
type poll struct {
	sessions *session.Registry
	wish     wish
	id       string
	limit    int           // bytes of an answer; one message may always be in it
	held     hub.Held      // what comes before the subscriptions are started
	wake     chan struct{} // holds a token when there is something to answer
	joined   []*hub.Subscription
	release  func()    // the client is not looked for any more; nil: it never was
	until    time.Time // when the client's token is over; zero: never

	mu     sync.Mutex // guards what follows
	events []byte     // JSON of messages, with commas between them
	at     cursor     // behind them
	gaps   []string
	done   bool // takes no more: the answer is full, or messages were lost
}

// jsonEncoder is the format of polls: an event as JSON.
type jsonEncoder struct{}

// AppendFrame implements [hub.Encoder]. There is none for joins and leaves.
func (jsonEncoder) AppendFrame(dst []byte, channel string, m *hub.Message) []byte {
	if m.Kind != hub.KindPublished {
		return dst
	}
	return appendEvent(dst, channel, m)
}

// poll answers with what came after the cursor. When there is nothing it waits, and
// answers with nothing but the cursor in the end.
func (s *Server) poll(w http.ResponseWriter, r *http.Request, wanted wish) error {
	hello := access.HelloOf(r)
	place, err := s.sessions.Admit(hello)
	if err != nil {
		return err
	}
	defer place.Release()
	p := &poll{sessions: s.sessions, wish: wanted, id: rand.Text(), limit: s.limits.Buffer, wake: make(chan struct{}, 1)}
	p.held.Most = s.limits.Held()
	defer p.leave()
	if err := p.join(hello); err != nil {
		return err
	}
	clear(r.Header) // up to 64 KiB, which nobody needs while the poll waits
	p.wait(r.Context(), s.sessions.Draining())
	p.leave()
	if r.Context().Err() != nil {
		return nil // the client is gone
	}
	_ = s.links.WritePoll(w, "application/json", p.answer()) // who does not hear it asks again
	return nil
}

// join subscribes to the channels and takes what was missed on them.
func (p *poll) join(h access.Hello) error {
	ctx, cancel := session.CallContext()
	defer cancel()
	who, err := p.sessions.Identify(ctx, h)
	if err != nil {
		return err
	}
	if who != nil {
		p.until = who.Until
	}
	p.release = p.sessions.Attend(who, p.stir) // who may not hear more is told why when it asks again
	listener := session.Listener{Who: who, From: h.Address(), To: p, Encoder: jsonEncoder{}, Held: &p.held}
	for _, channel := range p.wish.channels {
		if ctx.Err() != nil {
			return errNotReady
		}
		since := p.wish.since.position(channel)
		if p.done && since != nil {
			p.at.set(channel, *since) // what was missed there comes with the next poll
			continue
		}
		sub, recovers, err := p.sessions.Listen(ctx, listener, channel, since, max(1, p.limit-len(p.events)))
		if err != nil {
			return err
		}
		p.joined = append(p.joined, sub)
		if !recovers {
			since = nil // it begins anew each time, and would be told of a gap for ever
		}
		p.catchUp(since, sub)
	}
	return nil
}

// catchUp takes what was missed on a channel. Nothing is delivered yet.
func (p *poll) catchUp(since *hub.Position, sub *hub.Subscription) {
	if p.wish.isGap(since, sub) {
		p.gaps = append(p.gaps, sub.Channel())
	}
	p.at.set(sub.Channel(), begin(since, sub))
	if len(sub.Missed) > 0 {
		p.sessions.InTurn(func() {
			for _, m := range sub.Missed {
				p.take(sub.Channel(), m, jsonEncoder{}.AppendFrame(nil, sub.Channel(), m))
			}
		})
	}
	p.done = p.done || sub.More
	if sub.Missed = nil; !p.done {
		p.at.set(sub.Channel(), sub.Position)
	}
}

// take takes a message, unless there is no room. What is left out comes with the
// next poll. It runs under the lock, or before anything is delivered.
func (p *poll) take(channel string, m *hub.Message, event []byte) {
	p.done = p.done || len(p.events) > 0 && len(p.events)+len(event) > p.limit
	if p.done {
		return
	}
	if len(p.events) > 0 {
		p.events = append(p.events, ',')
	}
	p.events = append(p.events, event...)
	if m.Offset > 0 {
		p.at.set(channel, hub.Position{Epoch: m.Epoch, Offset: m.Offset})
	}
}

// wait returns when there is something to answer, or no sense in waiting.
func (p *poll) wait(request, server context.Context) {
	if len(p.events) > 0 || len(p.gaps) > 0 {
		return
	}
	for _, sub := range p.joined {
		sub.Start()
	}
	longest := carry.PollWait
	if !p.until.IsZero() {
		longest = min(longest, time.Until(p.until))
	}
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-p.wake:
	case <-timer.C:
	case <-request.Done():
	case <-server.Done():
	}
}

// leave ends the subscriptions. A second call does nothing.
func (p *poll) leave() {
	if p.release != nil {
		p.release()
		p.release = nil
	}
	for _, sub := range p.joined {
		sub.Cancel()
	}
}

// answer words what was taken, once.
func (p *poll) answer() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	body := append(make([]byte, 0, len(p.events)+maxCursor), `{"events":[`...)
	body = append(body, p.events...)
	p.events = nil
	body = append(p.at.append(append(body, `],"cursor":"`...)), '"')
	if len(p.gaps) > 0 {
		body = fault.AppendJSON(append(body, `,"gap":`...), p.gaps)
	}
	return append(body, "}\n"...)
}

// ID implements [hub.Subscriber].
func (p *poll) ID() string { return p.id }

// Deliver implements [hub.Subscriber].
func (p *poll) Deliver(sub *hub.Subscription, d hub.Delivery) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, m := range d.Messages {
		if m.Kind == hub.KindPublished {
			p.take(sub.Channel(), m, d.Frame(i))
		}
	}
	if len(p.events) > 0 {
		p.stir()
	}
	return nil
}

// Evict implements [hub.Subscriber]. Deliver refuses nothing, but too much may
// have come before the start.
func (p *poll) Evict(error) { p.stir() }

// Lose implements [hub.Loser]. The position stays before the loss, and the next
// poll is told of it; where there is no position, this one is.
func (p *poll) Lose(sub *hub.Subscription) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	if sub.Position.Epoch == "" && !slices.Contains(p.gaps, sub.Channel()) {
		p.gaps = append(p.gaps, sub.Channel())
	}
	p.stir()
}

func (p *poll) stir() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
