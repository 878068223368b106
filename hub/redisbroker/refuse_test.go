package redisbroker_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// refusing are ways to make a Redis refuse what it is asked, and to end that.
var refusing = []struct {
	name       string
	begin, end func(*testing.T, *hubtest.RedisServer)
	reason     string
}{
	{"out of memory",
		func(t *testing.T, r *hubtest.RedisServer) { redisSays(t, r, "CONFIG", "SET", "maxmemory", "1") },
		func(t *testing.T, r *hubtest.RedisServer) { redisSays(t, r, "CONFIG", "SET", "maxmemory", "0") },
		"Redis is out of memory"},
	{"read-only",
		func(t *testing.T, r *hubtest.RedisServer) {
			redisSays(t, r, "REPLICAOF", "127.0.0.1", hubtest.FreePort(t))
		},
		func(t *testing.T, r *hubtest.RedisServer) { redisSays(t, r, "REPLICAOF", "NO", "ONE") },
		"Redis is read-only"},
}

// Publishing is refused with the reason, as if nothing had been asked;
// subscribers stay and can read, the date goes on, and so does everything when
// it is over.
func TestRedisRefuses(t *testing.T) {
	for _, c := range refusing {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := hubtest.Redis(t)
			publisher, h := redisHub(t, r, keeping), redisHub(t, r, keeping)
			l, date := hubtest.ListenForLosses(t, h, "chat"), hubtest.Listen(t, h, hub.DateChannel, "date")
			before := hubtest.Publish(t, publisher, "chat", "before")
			date.Wait(t, 1)
			c.begin(t, r)
			wantRefused(t, publisher, c.reason)
			killPubSub(t, r)
			wantReadable(t, h, before)
			date.Wait(t, date.Len()+3)
			wantRefused(t, publisher, c.reason)
			c.end(t, r)
			after := hubtest.PublishWith(t, publisher, "chat", "after", hub.PublishOptions{IdempotencyKey: "refused"})
			if after.Duplicate || after.Position != (hub.Position{Epoch: before.Epoch, Offset: 2}) {
				t.Errorf("after it is over: %+v, want offset 2 in epoch %s, and no duplicate", after, before.Epoch)
			}
			l.Want(t, "before", "after")
			if l.Losses() != 0 {
				t.Error("the subscriber was told of a loss")
			}
			wantForward(t, date)
		})
	}
}

// wantRefused checks that no publish is accepted that has to be kept, on
// channels that are known and on new ones.
func wantRefused(t *testing.T, h *hub.Hub, reason string) {
	t.Helper()
	for _, channel := range []string{"chat", fmt.Sprint("new", time.Now().UnixNano())} {
		for _, key := range []string{"", "refused"} {
			var err error
			hubtest.Eventually(t, hubtest.Patience, func() bool { // on a machine that has more to do
				err = hubtest.TryPublish(h, channel, "x", key)
				return !errors.Is(err, hub.ErrUnanswered)
			}, "an answer")
			var refused *hub.RefusedError
			if !errors.As(err, &refused) || refused.Reason != reason || !errors.Is(err, hub.ErrUnavailable) {
				t.Errorf("publish to %s with the key %q: %v, want an ErrUnavailable that says %q", channel, key, err, reason)
			}
		}
	}
}

// wantReadable checks that the history can be read and recovered from.
func wantReadable(t *testing.T, h *hub.Hub, last hub.Position) {
	t.Helper()
	r, err := h.History(t.Context(), "chat", hub.HistoryOptions{Limit: -1})
	if err != nil || len(r.Messages) != 1 || r.Position != last {
		t.Errorf("history: %q at %+v (%v), want one message at %+v", hubtest.Data(r.Messages), r.Position, err, last)
	}
	sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("late"), hub.Position{Epoch: last.Epoch})
	if !sub.Recovered || len(sub.Missed) != 1 {
		t.Errorf("recovered=%t %q, want one message", sub.Recovered, hubtest.Data(sub.Missed))
	}
}

// A Redis that has lost its data and takes none is told of by each subscriber
// that wants to recover, and the channels are repaired when it takes data again.
func TestRedisEmptyAndOutOfMemory(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHub(t, r, keeping)
	l := hubtest.ListenForLosses(t, h, "chat")
	before := hubtest.Publish(t, h, "chat", "before")
	l.Want(t, "before")
	r.Stop()
	r.Start("--maxmemory", "1")
	waitReady(t, h)
	_, err := h.Subscribe(t.Context(), "other", hubtest.NewRecorder("late"), lines, hub.SubscribeOptions{Recover: &before})
	if !errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("recovery: %v, want an ErrUnavailable", err)
	}
	if l.Losses() != 0 {
		t.Error("the subscriber was told to come back, and could not")
	}
	redisSays(t, r, "CONFIG", "SET", "maxmemory", "0")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return l.Losses() == 1 }, "the subscriber is told of the loss")
	hubtest.Publish(t, h, "chat", "after")
	l.Want(t, "before", "after")
}
