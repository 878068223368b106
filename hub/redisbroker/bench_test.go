package redisbroker_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// thousand are rules with the history of a busy channel.
var thousand = hub.Rules{{Match: "*", ServerPublish: true, History: hub.History{Size: 1000, TTL: 10 * time.Minute}}}

// BenchmarkRedisPublish is messages of 128 bytes to channels with history, by
// publishers that each wait for their answer. With delivery, each channel has a
// subscriber on the publishing node, and the last message has reached it before
// the clock stops.
func BenchmarkRedisPublish(b *testing.B) {
	r := hubtest.Redis(b)
	for _, publishers := range []int{1, 64} {
		for _, channels := range []int{1, 64} {
			if channels > publishers {
				continue
			}
			for _, delivery := range []bool{false, true} {
				b.Run(fmt.Sprintf("publishers=%d/channels=%d/delivery=%t", publishers, channels, delivery), func(b *testing.B) {
					benchmarkPublish(b, r, publishers, channels, delivery)
				})
			}
		}
	}
}

func benchmarkPublish(b *testing.B, r *hubtest.RedisServer, publishers, channels int, delivery bool) {
	h := redisHub(b, r, thousand)
	var delivered atomic.Int64
	if delivery {
		for i := range channels {
			hubtest.Subscribe(b, h, channelName(i), hubtest.Counter{Delivered: &delivered}, lines).Start()
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	publishAll(b, h, publishers, channels, b.N)
	for delivery && !b.Failed() && delivered.Load() < int64(b.N) {
		runtime.Gosched()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "publishes/s")
}

func channelName(i int) string { return fmt.Sprint("chat:", i) }

// publishAll has publishers share n messages among them.
func publishAll(b *testing.B, h *hub.Hub, publishers, channels, n int) {
	b.Helper()
	var next atomic.Int64
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			channel, data := channelName(p%channels), []byte(strings.Repeat("7", 128))
			for next.Add(1) <= int64(n) {
				if _, err := h.Publish(b.Context(), channel, &hub.Message{Data: data}, hub.PublishOptions{}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	publishing.Wait()
}
