package redisbroker_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// BenchmarkRedisPublishRatio sets 64 publishers to channels with history beside
// what redis-benchmark makes of the same script, with as many connections as the
// broker uses and as many commands in flight as its batches have. Both take turns
// of 50,000 messages; the ratio is the median. With delivery every channel has a
// subscriber in the publishing process, and redis-benchmark has none.
func BenchmarkRedisPublishRatio(b *testing.B) {
	hubtest.Need(b, "redis-benchmark")
	for _, channels := range []int{1, 64} {
		for _, delivery := range []bool{false, true} {
			b.Run(fmt.Sprintf("channels=%d/delivery=%t", channels, delivery), func(b *testing.B) {
				benchmarkRatio(b, channels, delivery)
			})
		}
	}
}

const turn = 50_000

func benchmarkRatio(b *testing.B, channels int, delivery bool) {
	r := hubtest.Redis(b)
	h, broker := brokerHub(b, r.URL(), thousand)
	var batches batchCounter
	broker.AddHook(&batches)
	var delivered atomic.Int64
	if delivery {
		for i := range channels {
			hubtest.Subscribe(b, h, channelName(i), hubtest.Counter{Delivered: &delivered}, lines).Start()
		}
	}
	publishAll(b, h, 64, channels, 100) // Redis knows the script now
	var ours, theirs, ratios []float64
	for i := range b.N {
		delivered.Store(0)
		start := time.Now()
		publishAll(b, h, 64, channels, turn)
		for delivery && !b.Failed() && delivered.Load() < turn {
			runtime.Gosched()
		}
		ours = append(ours, turn/time.Since(start).Seconds())
		theirs = append(theirs, redisBenchmark(b, r, broker, min(channels, redisbroker.PublishLanes), batches.mean()))
		ratios = append(ratios, ours[i]/theirs[i])
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(batches.mean(), "publishes/batch")
	b.ReportMetric(median(ours), "publishes/s")
	b.ReportMetric(median(theirs), "redis-benchmark/s")
	b.ReportMetric(median(ratios), "ratio")
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// redisBenchmark runs it with the broker's script, and returns how many commands
// it did in a second.
func redisBenchmark(b *testing.B, r *hubtest.RedisServer, broker *redisbroker.Broker, connections int, pipelined float64) float64 {
	b.Helper()
	host, port, _ := strings.Cut(r.Addr(), ":")
	args := []string{"-h", host, "-p", port, "--csv", "-n", strconv.Itoa(turn),
		"-c", strconv.Itoa(connections), "-P", strconv.Itoa(max(1, int(pipelined+0.5)))}
	m := &hub.Message{Data: []byte(strings.Repeat("7", 128)), Time: time.Now().UnixMilli()}
	for _, arg := range broker.PublishArgs("yardstick", m, hub.PublishOptions{History: thousand[0].History}) {
		args = append(args, argument(arg))
	}
	out, err := exec.CommandContext(b.Context(), "redis-benchmark", args...).Output()
	if err != nil {
		b.Fatalf("redis-benchmark: %v", err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil || len(rows) != 2 {
		b.Fatalf("redis-benchmark printed %q: %v", out, err)
	}
	rate, err := strconv.ParseFloat(rows[1][1], 64)
	if err != nil {
		b.Fatalf("redis-benchmark printed %q: %v", out, err)
	}
	return rate
}

// argument is an argument of a command as go-redis sends it.
func argument(a any) string {
	if b, ok := a.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(a)
}

// batchCounter is a hook that counts batches of publishes.
type batchCounter struct{ batches, publishes atomic.Int64 }

func (c *batchCounter) mean() float64 {
	return float64(c.publishes.Load()) / float64(max(1, c.batches.Load()))
}

func (*batchCounter) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*batchCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (c *batchCounter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		c.batches.Add(1)
		c.publishes.Add(int64(len(commands)))
		return next(ctx, commands)
	}
}
