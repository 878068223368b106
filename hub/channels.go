package hub

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// registry has the channels of one node, and knows of messages on their way to
// them.
type registry struct {
	drains sync.WaitGroup // rounds under way, and messages on their way to channels

	mu       sync.RWMutex // guards what follows, and the refs and idle of channels
	channels map[string]*channel
	stopped  bool // nothing is added to drains any more
}

// retain returns a channel, made if need be, with one more reference.
func (r *registry) retain(name string, made func() *channel) (c *channel, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c = r.channels[name]
	if c == nil {
		c, first = made(), true
		r.channels[name] = c
	}
	c.refs++
	return c, first
}

// release gives back one reference.
func (r *registry) release(c *channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.refs--
	if c.refs == 0 {
		c.idle = time.Now()
	}
}

// receiver returns the channel that a message is for, counted among the drains,
// or nil when nobody is interested.
func (r *registry) receiver(name string) *channel {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c := r.channels[name]
	if c == nil || r.stopped {
		return nil
	}
	r.drains.Add(1)
	return c
}

// stop refuses messages from now on, and waits for the deliveries under way.
func (r *registry) stop() {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.drains.Wait()
}

// position returns the last position of a channel that reached this node, or zero
// when it does not listen.
func (r *registry) position(name string) Position {
	r.mu.RLock()
	c := r.channels[name]
	r.mu.RUnlock()
	if c == nil {
		return Position{}
	}
	return c.lastPosition()
}

// withHistory returns those channels that are listened to here and have a history.
func (r *registry) withHistory(names []string) (with []string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, name := range names {
		if c := r.channels[name]; c != nil && c.rule.History.on() {
			with = append(with, name)
		}
	}
	return with
}

// positioned returns the channels that have a history, and subscribers here.
func (r *registry) positioned() (channels []*channel) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, c := range r.channels {
		if c.refs > 0 && c.rule.History.on() {
			channels = append(channels, c)
		}
	}
	return channels
}

// dropIdle lets go of channels that nobody has held for so long, and returns their
// names.
func (r *registry) dropIdle(now time.Time, after time.Duration) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, c := range r.channels {
		if c.refs == 0 && now.Sub(c.idle) >= after {
			delete(r.channels, name)
			names = append(names, name)
		}
	}
	return names
}

// all returns the channels of this node.
func (r *registry) all() []*channel {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Collect(maps.Values(r.channels))
}

// NumSubscribers returns how many subscriptions a channel has on this node.
func (h *Hub) NumSubscribers(channel string) int {
	r := &h.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	if c := r.channels[channel]; c != nil {
		return c.refs
	}
	return 0
}

// Channels returns the channels of this node that have subscribers, with how
// many subscriptions each has. Their names match a pattern, as in [Rule].Match.
func (h *Hub) Channels(pattern string) map[string]int {
	r := &h.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	found := make(map[string]int)
	for name, c := range r.channels {
		if c.refs > 0 && matches(pattern, name) {
			found[name] = c.refs
		}
	}
	return found
}
