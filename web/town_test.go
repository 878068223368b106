package web_test

import (
	"context"
	"sync"

	"belfry/hub"
)

// town joins the brokers of several hubs in one process.
type town struct {
	mu       sync.Mutex // guards what follows
	handlers []hub.Handler
}

func newTown() *town { return &town{} }

// broker makes the broker of one more node. Histories and presence are its own.
func (w *town) broker() hub.Broker { return &townBroker{hub.NewMemoryBroker(), w} }

func (w *town) all() []hub.Handler {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]hub.Handler(nil), w.handlers...)
}

type townBroker struct {
	*hub.MemoryBroker
	town *town
}

func (b *townBroker) Attach(h hub.Handler) {
	b.MemoryBroker.Attach(h)
	b.town.mu.Lock()
	defer b.town.mu.Unlock()
	b.town.handlers = append(b.town.handlers, h)
}

// Publish brings messages to every node, one after the other.
func (b *townBroker) Publish(_ context.Context, channel string, m *hub.Message, _ hub.PublishOptions) (hub.PublishResult, error) {
	b.town.mu.Lock()
	defer b.town.mu.Unlock()
	for _, h := range b.town.handlers {
		h.HandleMessage(channel, m)
	}
	return hub.PublishResult{}, nil
}

// Signal implements [hub.Signaler].
func (b *townBroker) Signal(_ context.Context, node string, data []byte) (reached int, err error) {
	for _, h := range b.town.all() {
		if node == "" || node == h.Node() {
			h.HandleSignal(data)
			reached++
		}
	}
	return reached, nil
}
