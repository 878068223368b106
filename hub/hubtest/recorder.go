package hubtest

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"belfry/hub"
)

// ErrRefused is why a [Recorder] takes nothing that was told to refuse.
var ErrRefused = errors.New("the recorder refuses")

// Recorder is a subscriber that records what is delivered. Its methods are safe
// for several goroutines.
type Recorder struct {
	// OnDeliver and OnEvict are called by Deliver, before it records, and by
	// Evict. Nil: not called. They are set before the first delivery.
	OnDeliver func(*hub.Subscription, hub.Delivery)
	OnEvict   func()

	id string

	mu       sync.Mutex // guards what follows
	messages []*hub.Message
	frames   []byte
	refusing bool
	refused  int
	evicted  int
}

// NewRecorder returns a subscriber with an ID.
func NewRecorder(id string) *Recorder { return &Recorder{id: id} }

// ID implements [hub.Subscriber].
func (r *Recorder) ID() string { return r.id }

// Deliver implements [hub.Subscriber].
func (r *Recorder) Deliver(s *hub.Subscription, d hub.Delivery) error {
	if r.OnDeliver != nil {
		r.OnDeliver(s, d)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refusing {
		r.refused++
		return ErrRefused
	}
	r.messages = append(r.messages, d.Messages...)
	r.frames = append(r.frames, d.Frames...)
	return nil
}

// Evict implements [hub.Subscriber].
func (r *Recorder) Evict(error) {
	r.mu.Lock()
	r.evicted++
	r.mu.Unlock()
	if r.OnEvict != nil {
		r.OnEvict()
	}
}

// Refuse makes the recorder too slow for anything, or willing again.
func (r *Recorder) Refuse(refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusing = refuse
}

// Refused returns how many deliveries were refused.
func (r *Recorder) Refused() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// Evicted returns how often the hub has evicted the recorder.
func (r *Recorder) Evicted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.evicted
}

// Len returns how many messages were delivered.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.messages)
}

// Messages returns what was delivered, in order.
func (r *Recorder) Messages() []*hub.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// Data returns the data of what was delivered, in order; see [Text].
func (r *Recorder) Data() []string { return Data(r.Messages()) }

// Data returns the data of messages; see [Text].
func Data(messages []*hub.Message) (data []string) {
	for _, m := range messages {
		data = append(data, Text(m.Data))
	}
	return data
}

// Frames returns the frames of what was delivered, one behind the other.
func (r *Recorder) Frames() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.frames)
}

// Wait waits until at least n messages were delivered, and returns the data of
// all.
func (r *Recorder) Wait(t testing.TB, n int) []string {
	t.Helper()
	waitFor(func() bool { return r.Len() >= n })
	if got := r.Len(); got < n {
		t.Fatalf("%s: %d messages were delivered, want %d", r.id, got, n)
	}
	return r.Data()
}

// Want waits for as many messages as are named, and checks that it was those.
func (r *Recorder) Want(t testing.TB, want ...string) {
	t.Helper()
	if got := r.Wait(t, len(want)); !slices.Equal(got, want) {
		t.Errorf("%s got %.1000q, want %.1000q", r.id, got, want)
	}
}

// Lines is an encoder that makes a frame of what a message's data says and a line feed.
// Encoders with different names are different wire formats.
type Lines struct{ Name string }

// AppendFrame implements [hub.Encoder].
func (Lines) AppendFrame(dst []byte, _ string, m *hub.Message) []byte {
	return append(append(dst, Text(m.Data)...), '\n')
}

// Counter is a subscriber that counts messages and keeps nothing.
type Counter struct{ Delivered *atomic.Int64 }

// ID implements [hub.Subscriber].
func (Counter) ID() string { return "counter" }

// Deliver implements [hub.Subscriber].
func (c Counter) Deliver(_ *hub.Subscription, d hub.Delivery) error {
	c.Delivered.Add(int64(len(d.Messages)))
	return nil
}

// Evict implements [hub.Subscriber].
func (Counter) Evict(error) {}
