package hub

import (
	"container/list"
	"fmt"
	"slices"
	"sync"
	"time"
)

// sweepSlice is how many channels are looked at while others wait for a lock. There
// may be a hundred thousand, and publishing needs the lock as well.
const sweepSlice = 512

// registry has the channels of one node, and knows of messages on their way to
// them.
type registry struct {
	drains sync.WaitGroup // rounds under way, and messages on their way to channels
	most   int            // channels

	mu       sync.RWMutex // guards what follows, and the refs, idle, left and place of channels
	channels map[string]*channel
	list     []*channel // the same, to be gone through in slices
	idle     list.List  // those that nobody holds, of *channel, the one that was left first in front
	stopped  bool       // nothing is added to drains any more

	recents recents
}

func newRegistry(most int) registry {
	return registry{most: most, channels: make(map[string]*channel), recents: recents{channels: make(map[*channel]struct{})}}
}

// retain returns a channel, made if need be, with one more reference. When there
// are as many as there may be, the one that was left first makes room, and its name
// is returned; when all are held the error is a [LimitError].
func (r *registry) retain(name string, made func() *channel) (c *channel, first bool, dropped []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c = r.channels[name]
	if c == nil {
		if len(r.list) >= r.most {
			dropped = r.drop(1, func(*channel) bool { return true })
		}
		if len(r.list) >= r.most {
			return nil, false, nil, &LimitError{"limits.channels", fmt.Sprintf("%d channels of this node have subscribers, it takes no more", r.most)}
		}
		c, first = made(), true
		c.place = len(r.list)
		r.channels[name], r.list = c, append(r.list, c)
	}
	if c.left != nil {
		r.idle.Remove(c.left)
		c.left = nil
	}
	c.refs++
	return c, first, dropped, nil
}

// release gives back one reference.
func (r *registry) release(c *channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.refs--
	if c.refs == 0 {
		c.idle, c.left = time.Now(), r.idle.PushBack(c)
	}
}

// drop lets go of the channels that were left first, as many as satisfy the
// function and at most n. It runs under the lock.
func (r *registry) drop(n int, over func(*channel) bool) (names []string) {
	for e := r.idle.Front(); e != nil && len(names) < n; e = r.idle.Front() {
		c := e.Value.(*channel)
		if !over(c) {
			break
		}
		r.idle.Remove(e)
		last := len(r.list) - 1
		r.list[c.place], r.list[last].place = r.list[last], c.place
		r.list[last], r.list = nil, r.list[:last]
		delete(r.channels, c.name)
		names = append(names, c.name)
	}
	return names
}

// dropIdle lets go of channels that nobody has held for so long, and returns their
// names: at most sweepSlice of them, and the rest by the next call.
func (r *registry) dropIdle(now time.Time, after time.Duration) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drop(sweepSlice, func(c *channel) bool { return now.Sub(c.idle) >= after })
}

// each calls a function with the channels of this node, under the lock, which others
// get after each sweepSlice of them. Channels that come or go meanwhile may be left
// out, and others may come twice.
func (r *registry) each(do func(*channel)) {
	r.mu.RLock()
	end := len(r.list)
	r.mu.RUnlock()
	for end > 0 {
		end = r.eachBefore(end, do)
	}
}

// eachBefore goes through the last channels before an end, and returns where they
// begin. It goes backwards because a channel that goes has the last one, which was
// seen, take its place.
func (r *registry) eachBefore(end int, do func(*channel)) (start int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	end = min(end, len(r.list))
	start = max(0, end-sweepSlice)
	for _, c := range r.list[start:end] {
		do(c)
	}
	return start
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
	for part := range slices.Chunk(names, sweepSlice) {
		r.mu.RLock()
		for _, name := range part {
			if c := r.channels[name]; c != nil && c.rule.History.on() {
				with = append(with, name)
			}
		}
		r.mu.RUnlock()
	}
	return with
}

// positioned returns the channels that have a history, and subscribers here.
func (r *registry) positioned() (channels []*channel) {
	r.each(func(c *channel) {
		if c.refs > 0 && c.rule.History.on() {
			channels = append(channels, c)
		}
	})
	return channels
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
	found := make(map[string]int)
	h.registry.each(func(c *channel) {
		if c.refs > 0 && Matches(pattern, c.name) {
			found[c.name] = c.refs
		}
	})
	return found
}
