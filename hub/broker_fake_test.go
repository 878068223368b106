package hub_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"belfry/hub"
)

// town joins the fake brokers of several hubs in one process, and records what
// is asked of it.
type town struct {
	mu       sync.Mutex // guards what follows
	handlers []hub.Handler
	keys     map[string]time.Time // when they are forgotten
	asked    []string             // "subscribe chat", …
	accepted int                  // messages that were no duplicates
	away     bool                 // the broker answers nothing before the context ends
	silent   bool                 // publishes are accepted and brought to nobody
}

func newTown() *town { return &town{keys: make(map[string]time.Time)} }

// node makes a broker for one more hub.
func (w *town) node() hub.Broker { return townBroker{hub.NewMemoryBroker(), w} }

func (w *town) set(away, silent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away, w.silent = away, silent
}

func (w *town) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.asked...)
}

func (w *town) ask(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, fmt.Sprintf(format, args...))
}

// accept returns who gets a message, and whether its key is new.
func (w *town) accept(channel string, o hub.PublishOptions) (handlers []hub.Handler, fresh bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.IdempotencyKey != "" && time.Now().Before(w.keys[channel+o.IdempotencyKey]) {
		return nil, false
	}
	w.keys[channel+o.IdempotencyKey] = time.Now().Add(o.IdempotencyTTL)
	w.accepted++
	if w.silent {
		return nil, true
	}
	return w.handlers, true
}

func (w *town) isAway() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.away
}

type townBroker struct {
	*hub.MemoryBroker // for what is not told of the town
	town              *town
}

func (b townBroker) Attach(h hub.Handler)          { b.town.handlers = append(b.town.handlers, h) }
func (b townBroker) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (b townBroker) Ready(context.Context) error   { return nil }
func (b townBroker) Unsubscribe(channel string)    { b.town.ask("unsubscribe %s", channel) }

func (b townBroker) Subscribe(_ context.Context, channel string) error {
	b.town.ask("subscribe %s", channel)
	return nil
}

func (b townBroker) Publish(ctx context.Context, channel string, m *hub.Message, o hub.PublishOptions) (hub.PublishResult, error) {
	if b.town.isAway() {
		wait, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
		defer cancel()
		<-wait.Done()
		return hub.PublishResult{}, hub.ErrUnavailable
	}
	handlers, fresh := b.town.accept(channel, o)
	for _, h := range handlers {
		h.HandleMessage(channel, m)
	}
	return hub.PublishResult{Duplicate: !fresh}, nil
}
