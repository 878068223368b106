package hub_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// forgetful is a broker that brings nothing while it is silent, and notes what is read
// of its histories.
type forgetful struct {
	*hub.MemoryBroker
	hub.Handler
	silent      atomic.Bool
	reads, most atomic.Int64 // reads, and bytes of the largest
}

func (b *forgetful) Attach(h hub.Handler) {
	b.Handler = h
	b.MemoryBroker.Attach(b)
}

func (b *forgetful) HandleMessage(channel string, m *hub.Message) {
	if !b.silent.Load() {
		b.Handler.HandleMessage(channel, m)
	}
}

func (b *forgetful) History(ctx context.Context, channel string, o hub.HistoryOptions) (hub.HistoryResult, error) {
	r, err := b.MemoryBroker.History(ctx, channel, o)
	size := int64(0)
	for _, m := range r.Messages {
		size += int64(len(m.Data))
	}
	b.reads.Add(1)
	b.most.Store(max(b.most.Load(), size))
	return r, err
}

// TestRepairInParts has a node miss far more than it should have at hand: it is read
// in parts, and everything comes in order.
func TestRepairInParts(t *testing.T) {
	const messages, size = 400, 60_000
	b := &forgetful{MemoryBroker: hub.NewMemoryBroker()}
	h, _ := hubtest.Run(t, hub.Options{Broker: b, Rules: hub.Rules{{
		Match: "*", ServerPublish: true, History: hub.History{Size: 1000, TTL: time.Hour, Bytes: 1 << 30},
	}}})
	l := hubtest.ListenForLosses(t, h, "chat")
	publish := func(i int) { hubtest.Publish(t, h, "chat", fmt.Sprintf(`"%d %s"`, i, strings.Repeat("x", size))) }
	publish(1)
	b.silent.Store(true)
	for i := range messages - 2 {
		publish(i + 2)
	}
	b.silent.Store(false)
	publish(messages)
	l.Wait(t, messages)
	hubtest.WantOneByOne(t, 0, l.Messages())
	if l.Losses() != 0 || b.most.Load() > 5<<20 || b.reads.Load() < 5 {
		t.Errorf("%d losses; %d bytes were read at once at most, and %d times", l.Losses(), b.most.Load(), b.reads.Load())
	}
}
