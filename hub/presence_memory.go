package hub

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// joinWait is how long a join waits at most until others were told of it.
const joinWait = 1500 * time.Millisecond

// memoryPresence is who is on the channels of the one node there is.
type memoryPresence struct {
	mu       sync.Mutex // guards what follows
	channels map[string]map[string]*memoryMember
	untold   []joinLeave
	ended    bool          // nobody is told any more
	wake     chan struct{} // holds a token when somebody is to be told
}

// memoryMember is a client on a channel.
type memoryMember struct {
	refs int        // joins that were not taken back
	info ClientInfo // what the newest join said
}

// joinLeave is a join or a leave that is to be told of.
type joinLeave struct {
	channel string
	message *Message
	told    chan struct{} // closed when that was done
}

func newMemoryPresence() memoryPresence {
	return memoryPresence{
		channels: make(map[string]map[string]*memoryMember),
		wake:     make(chan struct{}, 1),
	}
}

// Join implements [PresenceStore]. It returns when others were told, so that those
// who subscribe later are not.
func (b *MemoryBroker) Join(ctx context.Context, channel string, c ClientInfo) error {
	told := b.presence.join(channel, c)
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	select {
	case <-told:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w: join: %w", ErrUnavailable, ErrUnanswered, ctx.Err())
	}
}

// join returns what is closed when others were told.
func (p *memoryPresence) join(channel string, c ClientInfo) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	clients := p.channels[channel]
	if clients == nil {
		clients = make(map[string]*memoryMember)
		p.channels[channel] = clients
	}
	if m := clients[c.Client]; m != nil {
		m.refs++
		m.info = c
		return closedChannel
	}
	clients[c.Client] = &memoryMember{1, c}
	return p.tell(channel, KindJoin, c)
}

// Leave implements [PresenceStore].
func (b *MemoryBroker) Leave(channel, client string) {
	p := &b.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.channels[channel][client]
	if m == nil {
		return
	}
	if m.refs--; m.refs > 0 {
		return
	}
	delete(p.channels[channel], client)
	if len(p.channels[channel]) == 0 {
		delete(p.channels, channel)
	}
	_ = p.tell(channel, KindLeave, m.info)
}

// tell has a message sent by the broker's own goroutine, because whoever leaves
// must not wait for the channel's queue. It runs under the lock.
func (p *memoryPresence) tell(channel string, k Kind, c ClientInfo) (told <-chan struct{}) {
	if p.ended {
		return closedChannel
	}
	one := joinLeave{channel, newJoinLeave(k, c), make(chan struct{})}
	p.untold = append(p.untold, one)
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return one.told
}

// closedChannel is what there is to wait for when there is nothing to tell.
var closedChannel = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()

// end drops what nobody will be told any more.
func (p *memoryPresence) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for _, c := range p.untold {
		close(c.told)
	}
	p.untold = nil
}

// newJoinLeave makes the message of a join or a leave.
func newJoinLeave(k Kind, c ClientInfo) *Message {
	return &Message{Kind: k, Info: &c, Time: time.Now().UnixMilli(), Exclude: c.Client}
}

// take returns what is to be told.
func (p *memoryPresence) take() []joinLeave {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.untold
	p.untold = nil
	return taken
}

// Presence implements [PresenceStore].
func (b *MemoryBroker) Presence(_ context.Context, channel string, bytes int) (Presence, error) {
	b.presence.mu.Lock()
	defer b.presence.mu.Unlock()
	members := b.presence.channels[channel]
	if bytes > 0 && len(members) > bytes/PresenceName {
		return Presence{}, ErrPresenceSize
	}
	clients := make([]ClientInfo, 0, len(members))
	for _, m := range members {
		clients = append(clients, m.info)
	}
	return NewPresence(clients, bytes)
}

// PresenceStats implements [PresenceStore].
func (b *MemoryBroker) PresenceStats(_ context.Context, channel string) (PresenceStats, error) {
	b.presence.mu.Lock()
	defer b.presence.mu.Unlock()
	users := make(map[string]struct{})
	for _, m := range b.presence.channels[channel] {
		users[m.info.User] = struct{}{}
	}
	return PresenceStats{Clients: len(b.presence.channels[channel]), Users: len(users)}, nil
}
