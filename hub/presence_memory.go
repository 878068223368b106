package hub

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// maxComings is how many joins and leaves may wait to be told of. Joins then
// wait, and leaves are no more than joins.
const maxComings = 10_000

// memoryPresence is who is on the channels of the one node there is.
type memoryPresence struct {
	mu       sync.Mutex // guards what follows
	channels map[string]map[string]ClientInfo
	comings  []coming
	room     chan struct{} // closed when comings were taken
	wake     chan struct{} // holds a token when there are comings
}

// coming is a join or a leave that is to be told of.
type coming struct {
	channel string
	message *Message
}

func newMemoryPresence() memoryPresence {
	return memoryPresence{
		channels: make(map[string]map[string]ClientInfo),
		room:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
	}
}

// Join implements [PresenceStore].
func (b *MemoryBroker) Join(ctx context.Context, channel string, c ClientInfo) error {
	if err := b.presence.wait(ctx); err != nil {
		return unavailable("join", err)
	}
	b.presence.join(channel, c)
	return nil
}

// wait returns when there is room for one more to tell of.
func (p *memoryPresence) wait(ctx context.Context) error {
	for {
		p.mu.Lock()
		room, full := p.room, len(p.comings) >= maxComings
		p.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *memoryPresence) join(channel string, c ClientInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	clients := p.channels[channel]
	if clients == nil {
		clients = make(map[string]ClientInfo)
		p.channels[channel] = clients
	}
	clients[c.Client] = c
	p.tell(channel, KindJoin, c)
}

// Leave implements [PresenceStore].
func (b *MemoryBroker) Leave(channel, client string) {
	p := &b.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.channels[channel][client]
	if !ok {
		return
	}
	delete(p.channels[channel], client)
	if len(p.channels[channel]) == 0 {
		delete(p.channels, channel)
	}
	p.tell(channel, KindLeave, c)
}

// tell has a message sent by the broker's own goroutine, because whoever leaves
// must not wait for the channel's queue. It runs under the lock.
func (p *memoryPresence) tell(channel string, k Kind, c ClientInfo) {
	p.comings = append(p.comings, coming{channel, newComing(k, c)})
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// newComing makes the message of a join or a leave.
func newComing(k Kind, c ClientInfo) *Message {
	return &Message{Kind: k, Info: &c, Time: time.Now().UnixMilli(), Exclude: c.Client}
}

// take returns what is to be told.
func (p *memoryPresence) take() []coming {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.comings
	p.comings = nil
	close(p.room)
	p.room = make(chan struct{})
	return taken
}

// Presence implements [PresenceStore].
func (b *MemoryBroker) Presence(_ context.Context, channel string) ([]ClientInfo, error) {
	b.presence.mu.Lock()
	defer b.presence.mu.Unlock()
	return slices.Collect(maps.Values(b.presence.channels[channel])), nil
}

// PresenceStats implements [PresenceStore].
func (b *MemoryBroker) PresenceStats(_ context.Context, channel string) (PresenceStats, error) {
	b.presence.mu.Lock()
	defer b.presence.mu.Unlock()
	users := make(map[string]struct{})
	for _, c := range b.presence.channels[channel] {
		users[c.User] = struct{}{}
	}
	return PresenceStats{Clients: len(b.presence.channels[channel]), Users: len(users)}, nil
}
