package hub_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// keeping are rules with a history that holds a whole test.
var keeping = hub.Rules{{Match: "*", ServerPublish: true, History: hub.History{Size: 10_000, TTL: time.Minute}}}

// loser is a recorder that counts what it is told to have lost.
type loser struct {
	*hubtest.Recorder
	mu   sync.Mutex // guards what follows
	lost int
}

func (l *loser) Lose(*hub.Subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost++
}

func (l *loser) losses() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func lose(t *testing.T, h *hub.Hub, channel string) *loser {
	t.Helper()
	l := &loser{Recorder: hubtest.NewRecorder("loser")}
	sub, err := h.Subscribe(t.Context(), channel, l, lines, hub.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Cancel)
	sub.Start()
	return l
}

// killPubSub cuts the connections over which messages come, of every node.
func killPubSub(t *testing.T, r *hubtest.RedisServer) {
	t.Helper()
	o, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	defer c.Close()
	if err := c.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
}

// Connections are cut while messages fly: the node reads what it missed, and its
// subscribers notice nothing.
func TestRepairAfterCuts(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	publisher, h := redisHub(t, r, keeping), redisHub(t, r, keeping)
	l := lose(t, h, "chat")
	const messages, cuts = 600, 5
	for i := range messages {
		if i%(messages/cuts) == messages/cuts/2 {
			killPubSub(t, r)
		}
		publishAt(t, publisher, fmt.Sprint(i), hub.PublishOptions{})
	}
	l.Wait(t, messages)
	wantContiguous(t, 0, l.Messages())
	// They are counted after they were delivered.
	hubtest.Eventually(t, 15*time.Second, func() bool { return h.Stats().Repaired > 0 }, "repairs are counted")
	if l.losses() != 0 {
		t.Errorf("%+v, %d losses: want none", h.Stats(), l.losses())
	}
}

// Redis comes back with its data: what was accepted before and after is all
// there, in order, on every node.
func TestRepairAfterRestartWithData(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	publisher, h := redisHub(t, r, keeping), redisHub(t, r, keeping)
	l := lose(t, h, "chat")
	var acknowledged []string
	for i := range 300 {
		if i%100 == 50 {
			r.Stop()
			r.Start()
		}
		data := fmt.Sprint(i)
		hubtest.Eventually(t, 15*time.Second, func() bool {
			_, err := publisher.Publish(context.Background(), "chat", &hub.Message{Data: []byte(data)}, hub.PublishOptions{IdempotencyKey: data})
			return err == nil
		}, "publish "+data)
		acknowledged = append(acknowledged, data)
	}
	wantData(t, l.Recorder, acknowledged...)
	wantContiguous(t, 0, l.Messages())
}

// Redis comes back without its data: the numbering begins again under a new
// name, and subscribers are told.
func TestLossAfterRestartWithoutData(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHub(t, r, keeping)
	l := lose(t, h, "chat")
	before := publishAt(t, h, "before", hub.PublishOptions{}).Position
	wantData(t, l.Recorder, "before")
	r.Stop()
	r.Start()
	hubtest.Eventually(t, 15*time.Second, func() bool { return l.losses() == 1 }, "the subscriber is told of the loss")
	after := publishAt(t, h, "after", hub.PublishOptions{}).Position
	if after.Epoch == before.Epoch || after.Offset != 1 {
		t.Errorf("after the loss the position is %+v, before it was %+v: want another epoch", after, before)
	}
	wantData(t, l.Recorder, "before", "after")
	if sub := subscribeFrom(t, h, hubtest.NewRecorder("late"), before); sub.Recovered {
		t.Error("recovered from an epoch that is lost")
	}
}

// leaver is a loser that leaves the channel when it hears of a loss, as a session
// does.
type leaver struct{ *loser }

func (l leaver) Lose(s *hub.Subscription) {
	l.loser.Lose(s)
	s.Cancel()
}

// A loss comes between subscribing and starting: what came before it is
// delivered, then the subscriber is told, and nothing that came after it shows
// up in between, which would hide the gap. Who stays gets that afterwards.
func TestLossBeforeStart(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHub(t, r, keeping)
	others := lose(t, h, "chat")
	stays := &loser{Recorder: hubtest.NewRecorder("stays")}
	leaves := leaver{&loser{Recorder: hubtest.NewRecorder("leaves")}}
	staying, leaving := held(t, h, stays), held(t, h, leaves)
	publishAt(t, h, "before", hub.PublishOptions{})
	wantData(t, others.Recorder, "before")
	r.Stop()
	r.Start()
	hubtest.Eventually(t, 15*time.Second, func() bool { return others.losses() == 1 }, "the others are told of the loss")
	publishAt(t, h, "after", hub.PublishOptions{})
	wantData(t, others.Recorder, "before", "after")
	staying.Start()
	leaving.Start()
	wantData(t, stays.Recorder, "before", "after")
	wantData(t, leaves.Recorder, "before")
	if stays.losses() != 1 || leaves.losses() != 1 {
		t.Errorf("told of %d and %d losses, want 1 each", stays.losses(), leaves.losses())
	}
}

// held is a subscription to chat that has not started.
func held(t *testing.T, h *hub.Hub, s hub.Subscriber) *hub.Subscription {
	t.Helper()
	sub, err := h.Subscribe(t.Context(), "chat", s, lines, hub.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Cancel)
	return sub
}

// Somebody else writes to the stream: the numbering begins again instead of
// refusing every publish.
func TestDamagedStream(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHub(t, r, keeping)
	l := lose(t, h, "chat")
	before := publishAt(t, h, "1", hub.PublishOptions{}).Position
	o, _ := redis.ParseURL(r.URL())
	c := redis.NewClient(o)
	defer c.Close()
	add := &redis.XAddArgs{Stream: "belfry:{chat}:stream", ID: "99-0", Values: []string{"x", "y"}}
	if err := c.XAdd(t.Context(), add).Err(); err != nil {
		t.Fatal(err)
	}
	after := publishAt(t, h, "2", hub.PublishOptions{}).Position
	if after.Epoch == before.Epoch || after.Offset != 1 {
		t.Errorf("after the damage the position is %+v, want 1 in another epoch than %q", after, before.Epoch)
	}
	hubtest.Eventually(t, 15*time.Second, func() bool { return l.losses() == 1 }, "the subscriber is told")
}

func TestManyChannelsRepaired(t *testing.T) {
	t.Parallel()
	const channels = 2000
	r := hubtest.Redis(t)
	publisher, h := redisHub(t, r, keeping), redisHub(t, r, keeping)
	recorders := make([]*hubtest.Recorder, channels)
	for i := range recorders {
		recorders[i] = listen(t, h, fmt.Sprint("c", i), "r")
	}
	killPubSub(t, r)
	for i := range recorders {
		if _, err := publisher.Publish(t.Context(), fmt.Sprint("c", i), &hub.Message{Data: []byte("1")}, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	hubtest.Eventually(t, 15*time.Second, func() bool {
		for _, rec := range recorders {
			if rec.Len() != 1 {
				return false
			}
		}
		return true
	}, "every channel has its message")
}

// A channel without a history has no position, also after a lost connection.
func TestGapWithoutHistory(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHub(t, r, hub.Rules{{Match: "*", ServerPublish: true}})
	l := lose(t, h, "chat")
	killPubSub(t, r)
	hubtest.Eventually(t, 15*time.Second, func() bool {
		publish(t, h, "chat", "again")
		return len(l.Data()) > 0
	}, "messages come again")
	if p := subscribe(t, h, "chat", hubtest.NewRecorder("late"), lines).Position; p != (hub.Position{}) || l.losses() != 0 {
		t.Errorf("the position is %+v after %d losses, want none", p, l.losses())
	}
	if keys := redisSays(t, r, "KEYS", "*position*"); keys != "[]" {
		t.Errorf("Redis has %s", keys)
	}
}
