package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"strconv"
	"sync"
	"time"

	"belfry/hub"
	"belfry/web/fault"
)

// eventsPoll is one long-poll of /events: a subscriber that lives until there is
// something to answer. It is nobody in a channel's presence.
type eventsPoll struct {
	wish   eventsWish
	id     string
	limit  int           // bytes of an answer; one message may always be in it
	wake   chan struct{} // holds a token when there is something to answer
	joined []*hub.Subscription

	mu    sync.Mutex // guards what follows
	lines []byte     // JSON of messages, each on a line
	at    cursor     // behind them
	gaps  []string
	done  bool // takes no more: the answer is full, or messages were lost
}

// lineEncoder is the format of polls: JSON on a line.
type lineEncoder struct{}

// AppendFrame implements [hub.Encoder]. There is no line for joins and leaves.
func (lineEncoder) AppendFrame(dst []byte, channel string, m *hub.Message) []byte {
	if m.Kind != hub.KindPublished {
		return dst
	}
	return append(appendEvent(dst, channel, m), '\n')
}

// pollEvents answers with what came after the cursor. When there is nothing it
// waits, and answers with nothing but the cursor in the end.
func (s *Server) pollEvents(w http.ResponseWriter, r *http.Request, wish eventsWish) error {
	if s.isDraining() {
		return errDraining
	}
	p := &eventsPoll{wish: wish, id: rand.Text(), limit: s.limits.Buffer, wake: make(chan struct{}, 1)}
	defer p.leave()
	if err := p.join(s.hub); err != nil {
		return err
	}
	p.wait(r.Context(), s.carried.life)
	p.leave()
	if r.Context().Err() != nil {
		return nil // the client is gone
	}
	writeAnswer(w, p.answer())
	return nil
}

// join subscribes to the channels and takes what was missed on them.
func (p *eventsPoll) join(h *hub.Hub) error {
	ctx, cancel := callContext()
	defer cancel()
	for _, channel := range p.wish.channels {
		if ctx.Err() != nil {
			return errNotReady
		}
		since := p.wish.since.position(channel)
		sub, err := h.Subscribe(ctx, channel, p, lineEncoder{}, hub.SubscribeOptions{Recover: since})
		if err != nil {
			return err
		}
		p.joined = append(p.joined, sub)
		p.catchUp(since, sub)
	}
	return nil
}

// catchUp takes what was missed on a channel. Nothing is delivered yet.
func (p *eventsPoll) catchUp(since *hub.Position, sub *hub.Subscription) {
	if p.wish.isGap(since, sub) {
		p.gaps = append(p.gaps, sub.Channel())
	}
	p.at.set(sub.Channel(), begin(since, sub))
	for _, m := range sub.Missed {
		p.take(sub.Channel(), m, lineEncoder{}.AppendFrame(nil, sub.Channel(), m))
	}
	if !p.done {
		p.at.set(sub.Channel(), sub.Position)
	}
}

// take takes a message, unless there is no room. What is left out comes with the
// next poll. It runs under the lock, or before anything is delivered.
func (p *eventsPoll) take(channel string, m *hub.Message, line []byte) {
	p.done = p.done || len(p.lines) > 0 && len(p.lines)+len(line) > p.limit
	if p.done {
		return
	}
	p.lines = append(p.lines, line...)
	if m.Offset > 0 {
		p.at.set(channel, hub.Position{Epoch: m.Epoch, Offset: m.Offset})
	}
}

// wait returns when there is something to answer, or no sense in waiting.
func (p *eventsPoll) wait(request, server context.Context) {
	if len(p.lines) > 0 || len(p.gaps) > 0 {
		return
	}
	for _, sub := range p.joined {
		sub.Start()
	}
	timer := time.NewTimer(pollWait)
	defer timer.Stop()
	select {
	case <-p.wake:
	case <-timer.C:
	case <-request.Done():
	case <-server.Done():
	}
}

// leave ends the subscriptions. A second call does nothing.
func (p *eventsPoll) leave() {
	for _, sub := range p.joined {
		sub.Cancel()
	}
}

// answer words what was taken.
func (p *eventsPoll) answer() []byte {
	body := append(make([]byte, 0, len(p.lines)+maxCursor), `{"events":[`...)
	body = append(body, bytes.ReplaceAll(bytes.TrimSuffix(p.lines, []byte("\n")), []byte("\n"), []byte(","))...)
	body = append(p.at.append(append(body, `],"cursor":"`...)), '"')
	if len(p.gaps) > 0 {
		body = fault.AppendJSON(append(body, `,"gap":`...), p.gaps)
	}
	return append(body, "}\n"...)
}

// ID implements [hub.Subscriber].
func (p *eventsPoll) ID() string { return p.id }

// Deliver implements [hub.Subscriber].
func (p *eventsPoll) Deliver(sub *hub.Subscription, d hub.Delivery) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, m := range d.Messages {
		if m.Kind == hub.KindPublished {
			p.take(sub.Channel(), m, d.Frame(i))
		}
	}
	if len(p.lines) > 0 {
		p.stir()
	}
	return nil
}

// Evict implements [hub.Subscriber]. Deliver refuses nothing, but too much may
// have come before the start.
func (p *eventsPoll) Evict(error) { p.stir() }

// Lose implements [hub.Loser]. The position stays before the loss, and the next
// poll is told of it.
func (p *eventsPoll) Lose(*hub.Subscription) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	p.stir()
}

func (p *eventsPoll) stir() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// writeAnswer writes the answer to a poll, in bounded time.
func writeAnswer(w http.ResponseWriter, body []byte) {
	h := w.Header()
	setStreamHeader(h, replies{})
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pollWriteWait))
	_, _ = w.Write(body)
}
