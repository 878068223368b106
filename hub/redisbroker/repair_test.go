package redisbroker_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// Connections are cut while messages fly: the node reads what it missed, and its
// subscribers notice nothing.
func TestRepairAfterCuts(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	publisher, h := redisHub(t, r, keeping), redisHub(t, r, keeping)
	l := hubtest.ListenForLosses(t, h, "chat")
	const messages, cuts = 600, 5
	for i := range messages {
		if i%(messages/cuts) == messages/cuts/2 {
			killPubSub(t, r)
		}
		hubtest.Publish(t, publisher, "chat", fmt.Sprint(i))
	}
	l.Wait(t, messages)
	hubtest.WantOneByOne(t, 0, l.Messages())
	// They are counted after they were delivered.
	hubtest.Eventually(t, hubtest.Patience, func() bool { return h.Stats().Repaired > 0 }, "repairs are counted")
	if l.Losses() != 0 {
		t.Errorf("%+v, %d losses: want none", h.Stats(), l.Losses())
	}
}

// Redis comes back with its data: what was accepted before and after is all
// there, in order, on every node.
func TestRepairAfterRestartWithData(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	publisher, h := redisHub(t, r, keeping), redisHub(t, r, keeping)
	l := hubtest.ListenForLosses(t, h, "chat")
	var acknowledged []string
	for i := range 300 {
		if i%100 == 50 {
			r.Stop()
			r.Start()
		}
		data := fmt.Sprint(i)
		hubtest.Eventually(t, hubtest.Patience, func() bool {
			_, err := publisher.Publish(context.Background(), "chat", &hub.Message{Data: hubtest.Value(data)}, hub.PublishOptions{IdempotencyKey: data})
			return err == nil
		}, "publish "+data)
		acknowledged = append(acknowledged, data)
	}
	l.Want(t, acknowledged...)
	hubtest.WantOneByOne(t, 0, l.Messages())
}

// Redis comes back without its data: the numbering begins again under a new
// name, and subscribers are told.
func TestLossAfterRestartWithoutData(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHub(t, r, keeping)
	l := hubtest.ListenForLosses(t, h, "chat")
	before := hubtest.Publish(t, h, "chat", "before")
	l.Want(t, "before")
	r.Stop()
	r.Start()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return l.Losses() == 1 }, "the subscriber is told of the loss")
	after := hubtest.Publish(t, h, "chat", "after")
	if after.Epoch == before.Epoch || after.Offset != 1 {
		t.Errorf("after the loss the position is %+v, before it was %+v: want another epoch", after, before)
	}
	l.Want(t, "before", "after")
	if sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("late"), before); sub.Recovered {
		t.Error("recovered from an epoch that is lost")
	}
}

// leaver is a loser that leaves the channel when it hears of a loss, as a session
// does.
type leaver struct{ *hubtest.Loser }

func (l leaver) Lose(s *hub.Subscription) {
	l.Loser.Lose(s)
	s.Cancel()
}

// A loss comes between subscribing and starting: what came before it is
// delivered, then the subscriber is told, and nothing that came after it shows
// up in between, which would hide the gap. Who stays gets that afterwards.
func TestLossBeforeStart(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHub(t, r, keeping)
	others := hubtest.ListenForLosses(t, h, "chat")
	stays := hubtest.NewLoser("stays")
	leaves := leaver{hubtest.NewLoser("leaves")}
	staying, leaving := hubtest.Subscribe(t, h, "chat", stays, lines), hubtest.Subscribe(t, h, "chat", leaves, lines)
	hubtest.Publish(t, h, "chat", "before")
	others.Want(t, "before")
	r.Stop()
	r.Start()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return others.Losses() == 1 }, "the others are told of the loss")
	hubtest.Publish(t, h, "chat", "after")
	others.Want(t, "before", "after")
	staying.Start()
	leaving.Start()
	stays.Want(t, "before", "after")
	leaves.Want(t, "before")
	if stays.Losses() != 1 || leaves.Losses() != 1 {
		t.Errorf("told of %d and %d losses, want 1 each", stays.Losses(), leaves.Losses())
	}
}

// Somebody else writes to the stream: the numbering begins again instead of
// refusing every publish.
func TestDamagedStream(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHub(t, r, keeping)
	l := hubtest.ListenForLosses(t, h, "chat")
	before := hubtest.Publish(t, h, "chat", "1")
	o, _ := redis.ParseURL(r.URL())
	c := redis.NewClient(o)
	defer c.Close()
	add := &redis.XAddArgs{Stream: "belfry:{chat}:stream", ID: "99-0", Values: []string{"x", "y"}}
	if err := c.XAdd(t.Context(), add).Err(); err != nil {
		t.Fatal(err)
	}
	after := hubtest.Publish(t, h, "chat", "2")
	if after.Epoch == before.Epoch || after.Offset != 1 {
		t.Errorf("after the damage the position is %+v, want 1 in another epoch than %q", after, before.Epoch)
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return l.Losses() == 1 }, "the subscriber is told")
}

func TestManyChannelsRepaired(t *testing.T) {
	t.Parallel()
	const channels = 2000
	r := hubtest.Redis(t)
	publisher, h := redisHub(t, r, keeping), redisHub(t, r, keeping)
	recorders := make([]*hubtest.Recorder, channels)
	for i := range recorders {
		recorders[i] = hubtest.Listen(t, h, fmt.Sprint("c", i), "r")
	}
	killPubSub(t, r)
	for i := range recorders {
		if _, err := publisher.Publish(t.Context(), fmt.Sprint("c", i), &hub.Message{Data: []byte("1")}, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool {
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
	l := hubtest.ListenForLosses(t, h, "chat")
	killPubSub(t, r)
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		hubtest.Publish(t, h, "chat", "again")
		return len(l.Data()) > 0
	}, "messages come again")
	if p := hubtest.Subscribe(t, h, "chat", hubtest.NewRecorder("late"), lines).Position; p != (hub.Position{}) {
		t.Errorf("the position is %+v, want none", p)
	}
	if keys := redisSays(t, r, "KEYS", "*position*"); keys != "[]" {
		t.Errorf("Redis has %s", keys)
	}
}
