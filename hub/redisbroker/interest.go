package redisbroker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"belfry/hub"
)

// interests are the channels that a node wants from Redis, and how far the
// current Pub/Sub connection has got with them.
type interests struct {
	mu       sync.Mutex // guards what follows
	up       bool       // there is a connection
	channels map[string]*interest
	changed  map[string]struct{} // channels to subscribe to or to let go of
	wake     chan struct{}       // holds one token when changed is not empty
}

type interest struct {
	refs      int
	asked     bool          // SUBSCRIBE was sent on this connection
	live      bool          // and Redis has confirmed it
	gap       bool          // there was a time without, since it was wanted
	confirmed chan struct{} // closed when Redis confirmed it, or the connection is gone
}

// newInterests returns interests without a connection.
func newInterests() interests {
	return interests{
		channels: make(map[string]*interest),
		changed:  make(map[string]struct{}),
		wake:     make(chan struct{}, 1),
	}
}

// connected reports whether there is a connection over which messages come.
func (w *interests) connected() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.up
}

// want adds one reference. The returned Go channel is closed when Redis has
// confirmed the subscription or the connection is gone; it is nil when there
// is no connection.
func (w *interests) want(channel string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.channels[channel]
	if in == nil {
		in = &interest{confirmed: make(chan struct{})}
		w.channels[channel] = in
	}
	in.refs++
	w.note(channel)
	if !w.up {
		in.gap = true
		return nil
	}
	return in.confirmed
}

// unwant takes one reference back. While there is no connection nothing has to
// be told to Redis, and the channel is forgotten at once.
func (w *interests) unwant(channel string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.channels[channel]
	if in == nil {
		return
	}
	if in.refs--; in.refs == 0 && !w.up {
		delete(w.channels, channel)
		delete(w.changed, channel)
		return
	}
	w.note(channel)
}

// all returns the channels.
func (w *interests) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.channels))
}

// live reports whether Redis sends the channel's messages on this connection.
func (w *interests) live(channel string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.channels[channel]
	return in != nil && in.live
}

// note marks a channel for the next call of work. It runs under the lock.
func (w *interests) note(channel string) {
	w.changed[channel] = struct{}{}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// work returns what to send to Redis, at most n channels in all. A channel that
// nobody wants any more is let go of only after its confirmation, which
// otherwise could be taken for that of a later SUBSCRIBE.
func (w *interests) work(n int) (subscribe, unsubscribe []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for channel := range w.changed {
		if len(subscribe)+len(unsubscribe) == n {
			break
		}
		delete(w.changed, channel)
		in := w.channels[channel]
		switch {
		case in == nil:
		case in.refs > 0 && !in.asked:
			in.asked = true
			subscribe = append(subscribe, channel)
		case in.refs == 0 && !in.asked:
			delete(w.channels, channel)
		case in.refs == 0 && in.live:
			delete(w.channels, channel)
			unsubscribe = append(unsubscribe, channel)
		}
	}
	return subscribe, unsubscribe
}

// confirm notes that Redis has confirmed a subscription. It reports whether
// messages may have been missed before.
func (w *interests) confirm(channel string) (gap bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.channels[channel]
	if in == nil || !in.asked {
		return false
	}
	gap, in.gap = in.gap, false
	in.live = true
	in.open()
	if in.refs == 0 {
		w.note(channel)
	}
	return gap
}

// late notes that nobody waited for the confirmation, so that messages may have
// been missed before it comes.
func (w *interests) late(channel string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if in := w.channels[channel]; in != nil && !in.live {
		in.gap = true
	}
}

// open closes confirmed once.
func (in *interest) open() {
	select {
	case <-in.confirmed:
	default:
		close(in.confirmed)
	}
}

// connect notes a new connection, on which nothing has been asked for yet.
func (w *interests) connect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up = true
	for channel := range w.channels {
		w.note(channel)
	}
}

// disconnect notes that the connection is gone and lets go of all who wait.
func (w *interests) disconnect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up = false
	for _, in := range w.channels {
		in.open()
		in.asked, in.live, in.gap, in.confirmed = false, false, true, make(chan struct{})
	}
}

// Subscribe implements [hub.Broker].
func (l *listener) Subscribe(ctx context.Context, channel string) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	confirmed := l.wanted.want(channel)
	if confirmed == nil {
		return fmt.Errorf("%w: no Pub/Sub connection to Redis", hub.ErrUnavailable)
	}
	select {
	case <-confirmed:
		if !l.wanted.live(channel) {
			return fmt.Errorf("%w: lost the Pub/Sub connection to Redis", hub.ErrUnavailable)
		}
		return nil
	case <-ctx.Done():
		l.wanted.late(channel)
		return unavailable("subscribe", ctx.Err())
	}
}

// Unsubscribe implements [hub.Broker].
func (l *listener) Unsubscribe(channel string) { l.wanted.unwant(channel) }
