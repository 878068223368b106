package redisbroker_test

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// gate is a hook that notes the sizes of batches of publishes, and holds them
// back while it is shut.
type gate struct {
	open sync.RWMutex // write-locked while shut

	mu      sync.Mutex // guards what follows
	sizes   []int
	flushes bool // Redis forgets its scripts in the middle of the next batch of several
}

func (g *gate) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (g *gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		if publishes(commands[0]) {
			g.note(len(commands) - probes(commands))
			g.open.RLock()
			defer g.open.RUnlock()
			commands = g.flush(ctx, commands)
		}
		return next(ctx, commands)
	}
}

// publishes reports whether a command is the first of a batch of publishes: it carries a
// message, or loads the script for one, and is no question about a position.
func publishes(c redis.Cmder) bool {
	return c.Name() == "script" || slices.ContainsFunc(c.Args(), func(arg any) bool {
		_, ok := arg.(encoding.BinaryMarshaler)
		return ok
	})
}

func (g *gate) note(size int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sizes = append(g.sizes, size)
}

func (g *gate) flush(ctx context.Context, commands []redis.Cmder) []redis.Cmder {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.flushes || len(commands) == 1 {
		return commands
	}
	g.flushes = false
	return slices.Insert(slices.Clone(commands), len(commands)/2, redis.Cmder(redis.NewCmd(ctx, "script", "flush")))
}

func (g *gate) batches() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.sizes)
}

// probes is how many commands of a batch only ask whether a replica answers.
func probes(commands []redis.Cmder) (n int) {
	for _, c := range commands {
		if c.Name() == "del" {
			n++
		}
	}
	return n
}

// queueing is a hub with one publish held back by a gate, which is shut, so that
// others queue behind it.
type queueing struct {
	t          *testing.T
	hub        *hub.Hub
	broker     *redisbroker.Broker
	redis      *hubtest.RedisServer
	gate       gate
	key        string // an idempotency key
	opened     sync.Once
	recorder   *hubtest.Recorder // of the channel chat
	publishing sync.WaitGroup

	mu   sync.Mutex       // guards what follows
	errs map[string]error // of the publishes that have returned, by their data
}

// newQueueing has channels of one rule, and no date ticks.
func newQueueing(t *testing.T, history hub.History) *queueing {
	q := &queueing{t: t, redis: hubtest.Redis(t), errs: make(map[string]error)}
	q.hub, q.broker = brokerHub(t, q.redis.URL(), hub.Rules{{Match: "chat*", ServerPublish: true, History: history}})
	q.recorder = hubtest.Listen(t, q.hub, "chat", "recorder")
	hubtest.Publish(t, q.hub, "chat", "first") // Redis knows the script now
	q.broker.AddHook(&q.gate)
	q.gate.open.Lock()
	t.Cleanup(func() { q.opened.Do(q.gate.open.Unlock) })
	q.publish(t.Context(), "chat", "held")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return len(q.gate.batches()) == 1 }, "one is held back")
	return q
}

// publish publishes in the background, under a key if there is one.
func (q *queueing) publish(ctx context.Context, channel, data string) {
	q.publishing.Go(func() {
		_, err := q.hub.Publish(ctx, channel, &hub.Message{Data: hubtest.Value(data)}, hub.PublishOptions{IdempotencyKey: q.key})
		q.mu.Lock()
		defer q.mu.Unlock()
		q.errs[data] = err
	})
}

// queue publishes, and returns when that is queued.
func (q *queueing) queue(ctx context.Context, channel, data string) {
	q.t.Helper()
	n := q.broker.Queued(channel)
	q.publish(ctx, channel, data)
	for deadline := time.Now().Add(hubtest.Patience); q.broker.Queued(channel) != n+1; runtime.Gosched() {
		if time.Now().After(deadline) {
			q.t.Fatalf("%s is not queued", data)
		}
	}
}

// release opens the gate and returns the errors when all have returned.
func (q *queueing) release() map[string]error {
	q.opened.Do(q.gate.open.Unlock)
	q.publishing.Wait()
	return q.errs
}

func wantAccepted(t *testing.T, errs map[string]error) {
	t.Helper()
	for data, err := range errs {
		if err != nil {
			t.Errorf("publish %.20s: %v", data, err)
		}
	}
}

// What queues while a batch is under way reaches Redis in that order, in as few
// batches as their bound allows.
func TestPublishesShareRoundTrips(t *testing.T) {
	t.Parallel()
	for name, history := range map[string]hub.History{"script": keptHistory, "plain": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQueueing(t, history)
			want := []string{"first", "held"}
			for i := range redisbroker.PublishBatch + 10 {
				want = append(want, fmt.Sprint(i))
				q.queue(t.Context(), "chat", fmt.Sprint(i))
			}
			wantAccepted(t, q.release())
			q.recorder.Want(t, want...)
			if got := q.gate.batches(); !slices.Equal(got, []int{1, redisbroker.PublishBatch, 10}) {
				t.Errorf("batches of %d publishes, want 1, %d and 10", got, redisbroker.PublishBatch)
			}
		})
	}
}

// Large messages go in batches of few.
func TestPublishesOfManyBytes(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, keptHistory)
	for i := range 6 {
		q.queue(t.Context(), "chat", fmt.Sprintf("%0*d", 400<<10, i))
	}
	wantAccepted(t, q.release())
	if got := q.gate.batches(); !slices.Equal(got, []int{1, 3, 3}) {
		t.Errorf("batches of %d publishes, want 1, 3 and 3", got)
	}
}

// A publisher that goes away while it waits for its turn publishes nothing, and
// does not wait for it.
func TestPublishCancelledWhileQueued(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, keptHistory)
	ctx, cancel := context.WithCancel(t.Context())
	q.queue(t.Context(), "chat", "before")
	q.queue(ctx, "chat", "cancelled")
	q.queue(t.Context(), "chat", "behind")
	cancel()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return q.broker.Queued("chat") == 2 }, "it has left the queue")
	errs := q.release()
	if err := errs["cancelled"]; !errors.Is(err, context.Canceled) || !errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("the publish returned %v, want an ErrUnavailable that says that it was cancelled", err)
	}
	q.recorder.Want(t, "first", "held", "before", "behind")
}

// A lane has room for so many, and those over it wait no longer than others.
func TestPublishQueueIsBounded(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, keptHistory)
	q.broker.SetPublishWait(time.Second)
	for i := range 2 * redisbroker.PublishPlaces {
		q.publish(t.Context(), "chat", fmt.Sprint(i))
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(q.errs) >= redisbroker.PublishPlaces
	}, "those without a place are refused, after a second")
	if n := q.broker.Queued("chat"); n != redisbroker.PublishPlaces-1 {
		t.Errorf("%d are queued, want %d beside the one that is held back", n, redisbroker.PublishPlaces-1)
	}
	refused := 0
	for _, err := range q.release() {
		if errors.Is(err, hub.ErrUnavailable) {
			refused++
		}
	}
	if refused < redisbroker.PublishPlaces {
		t.Errorf("%d were refused, want %d at least", refused, redisbroker.PublishPlaces)
	}
}

// An error of Redis is that of one publish.
func TestPublishErrorOfOne(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, keptHistory)
	redisSays(t, q.redis, "RPUSH", "belfry:once:4:{chat}:bad", "no text")
	q.queue(t.Context(), "chat", "before")
	q.key = "bad"
	q.queue(t.Context(), "chat", "bad")
	q.key = ""
	q.queue(t.Context(), "chat", "behind")
	errs := q.release()
	if err := errs["bad"]; !errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("the publish that Redis refuses returned %v, want ErrUnavailable", err)
	}
	delete(errs, "bad")
	wantAccepted(t, errs)
	q.recorder.Want(t, "first", "held", "before", "behind")
	if got := q.gate.batches(); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("batches of %d publishes, want 1 and 3", got)
	}
}

// Redis forgets its scripts in the middle of a batch: what comes behind is sent
// once more, and no message comes twice or out of order.
func TestPublishScriptFlushed(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, keptHistory)
	want := []string{"first", "held"}
	for i := range 20 {
		want = append(want, fmt.Sprint(i))
		q.queue(t.Context(), "chat", fmt.Sprint(i))
	}
	q.gate.flushes = true
	wantAccepted(t, q.release())
	q.recorder.Want(t, want...)
	hubtest.WantOneByOne(t, 0, q.recorder.Messages())
	if got := q.gate.batches(); !slices.Equal(got, []int{1, 20, 12}) {
		t.Errorf("batches of %d commands, want 1, 20, and 10 again behind both scripts", got)
	}
}

// Redis forgets its scripts again and again: publishers do not notice.
func TestPublishScriptFlushedUnderLoad(t *testing.T) {
	t.Parallel()
	const publishers, each = 32, 60
	r := hubtest.Redis(t)
	h := redisHub(t, r, keeping)
	rec := hubtest.Listen(t, h, "chat", "r")
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				if err := hubtest.TryPublish(h, "chat", fmt.Sprint(p*each+i), ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := 0; n < publishers*each; n += 100 {
		rec.Wait(t, n)
		redisSays(t, r, "SCRIPT", "FLUSH")
	}
	publishing.Wait()
	hubtest.WantInTurn(t, rec.Wait(t, publishers*each), publishers, each)
}

// Redis is killed and started with its data while many publish: what was
// acknowledged is there, once, and each publisher's in order.
func TestPublishRedisRestarted(t *testing.T) {
	t.Parallel()
	const publishers, each = 32, 100
	r := hubtest.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	h := redisHub(t, r, keeping)
	rec := hubtest.Listen(t, h, "chat", "r")
	var publishing sync.WaitGroup
	refused := make([]int, publishers)
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				data := fmt.Sprint(p*each + i)
				for hubtest.TryPublish(h, "chat", data, data) != nil && t.Context().Err() == nil {
					refused[p]++
					time.Sleep(5 * time.Millisecond) // not to do nothing else
				}
			}
		})
	}
	for n := 500; n < publishers*each; n += 1000 {
		rec.Wait(t, n)
		r.Stop()
		r.Start()
	}
	publishing.Wait()
	hubtest.WantInTurn(t, rec.Wait(t, publishers*each), publishers, each)
	if slices.Max(refused) == 0 {
		t.Error("nothing was refused: the restarts came too late")
	}
}

// All who publish to a Redis that hangs hear of it while it does, and it is live as
// soon as it is back.
func TestPublishRedisPausedUnderLoad(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := impatientHub(t, r.URL(), keeping)
	rec := hubtest.Listen(t, h, "chat", "r")
	hubtest.Publish(t, h, "chat", "before")
	r.Pause()
	var publishing sync.WaitGroup
	for i := range 200 {
		publishing.Go(func() {
			time.Sleep(time.Duration(i) * 10 * time.Millisecond) // some come when others have been refused
			if err := publishErr(h, ""); !errors.Is(err, hub.ErrUnavailable) {
				t.Errorf("Publish = %v, want ErrUnavailable", err)
			}
		})
	}
	publishing.Wait()
	r.Resume()
	wantAlive(t, h, "chat", rec)
}

// A broker publishes nothing before it runs, because nobody knows what Redis it has,
// and refuses at once when it has run; what is queued at its end is refused, and what is under way is finished.
func TestPublishBeforeAndAfterRun(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	b := redisBroker(t, patient(r.URL()))
	h := hub.New(hub.Options{Broker: b, Rules: hub.Rules{{Match: "chat"}}}) // no date ticks
	b.SetPublishWait(time.Millisecond)
	if err := publishErr(h, ""); !errors.Is(err, hub.ErrUnavailable) || errors.Is(err, hub.ErrUnanswered) {
		t.Errorf("before Run, Publish = %v, want that nothing was done", err)
	}
	b.SetPublishWait(hubtest.Patience)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- h.Run(ctx) }()
	waitReady(t, h)
	g := new(gate)
	b.AddHook(g)
	g.open.Lock()
	held, queued := make(chan error, 1), make(chan error, 1)
	go func() { held <- publishErr(h, "") }()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return len(g.batches()) > 0 }, "one is under way")
	go func() { queued <- publishErr(h, "") }()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return b.Queued("chat") == 1 }, "another is queued")
	stop()
	if err := <-queued; !errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("queued when the broker stopped, Publish = %v, want ErrUnavailable", err)
	}
	g.open.Unlock()
	if err := <-held; err != nil {
		t.Errorf("under way when the broker stopped, Publish = %v", err)
	}
	if err := <-ran; err != nil {
		t.Errorf("Run = %v", err)
	}
	err := publishErr(h, "")
	if !errors.Is(err, hub.ErrUnavailable) || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("after Run, Publish = %v, want an ErrUnavailable that says that it has stopped", err)
	}
}
