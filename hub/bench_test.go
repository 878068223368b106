package hub_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// BenchmarkFanOut is one message of 128 bytes to all subscribers of a channel,
// delivered to the last of them.
func BenchmarkFanOut(b *testing.B) {
	for _, subscribers := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(subscribers), func(b *testing.B) {
			h := hub.New(hub.Options{})
			var delivered atomic.Int64
			for range subscribers {
				hubtest.Subscribe(b, h, "chat", hubtest.Counter{Delivered: &delivered}, lines).Start()
			}
			m := &hub.Message{Data: []byte(strings.Repeat("d", 128)), Time: 1}
			b.ReportAllocs()
			for b.Loop() {
				want := delivered.Load() + int64(subscribers)
				if _, err := h.Publish(b.Context(), "chat", m, hub.PublishOptions{}); err != nil {
					b.Fatal(err)
				}
				for delivered.Load() < want {
					runtime.Gosched()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*subscribers), "ns/delivery")
		})
	}
}

// BenchmarkPublish is messages of 128 bytes as fast as they are taken, to a
// channel with one subscriber: rounds take many at once.
func BenchmarkPublish(b *testing.B) {
	h := hub.New(hub.Options{})
	var delivered atomic.Int64
	hubtest.Subscribe(b, h, "chat", hubtest.Counter{Delivered: &delivered}, hubtest.Lines{}).Start()
	m := &hub.Message{Data: []byte(strings.Repeat("d", 128)), Time: 1}
	b.ReportAllocs()
	n := int64(0)
	for b.Loop() {
		if _, err := h.Publish(b.Context(), "chat", m, hub.PublishOptions{}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	for delivered.Load() < n {
		runtime.Gosched()
	}
}
