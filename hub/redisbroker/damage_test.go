package redisbroker_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

const streamKey, positionKey = "belfry:{chat}:stream", "belfry:{chat}:position"

// Somebody writes by hand to what a channel with three messages has in Redis.
// Publishing goes on, and subscribers get everything or are told.
func TestRedisDamage(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	for _, c := range []struct {
		name    string
		damage  [][]any
		told    bool
		recover bool // what comes after the first message
	}{
		{"entry ahead", [][]any{{"XADD", streamKey, "99-0", "x", "y"}}, true, false},
		{"entry of now", [][]any{{"XADD", streamKey, "*", "x", "y"}}, true, false},
		{"entry that is next", [][]any{{"XADD", streamKey, "4-0", "m", "x"}}, true, false},
		{"entry between", [][]any{{"XADD", streamKey, "3-7", "m", "\x01"}}, false, true},
		{"entry gone", [][]any{{"XDEL", streamKey, "2-0"}}, false, false},
		{"stream gone", [][]any{{"DEL", streamKey}}, false, false},
		{"stream is a string", [][]any{{"SET", streamKey, "x"}}, true, false},
		{"position gone", [][]any{{"DEL", positionKey}}, true, false},
		{"position is a string", [][]any{{"SET", positionKey, "x"}}, true, false},
		{"position is a list", [][]any{{"DEL", positionKey}, {"RPUSH", positionKey, "x"}}, true, false},
		{"offset gone", [][]any{{"HDEL", positionKey, "o"}}, true, false},
		{"offset is no number", [][]any{{"HSET", positionKey, "o", "x"}}, true, false},
		{"offset negative", [][]any{{"HSET", positionKey, "o", "-7"}}, true, false},
		{"offset at its end", [][]any{{"HSET", positionKey, "o", "9223372036854775807"}}, true, false},
		{"offset ahead", [][]any{{"HSET", positionKey, "o", "50"}}, true, false},
		{"offset behind", [][]any{{"HSET", positionKey, "o", "1"}}, true, false},
		{"offset behind and stream gone", [][]any{{"HSET", positionKey, "o", "1"}, {"DEL", streamKey}}, true, false},
		{"epoch gone", [][]any{{"HDEL", positionKey, "e"}}, true, false},
		{"epoch renamed", [][]any{{"HSET", positionKey, "e", "other"}}, true, false},
		{"everything gone", [][]any{{"DEL", streamKey, positionKey}}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			redisSays(t, r, "DEL", streamKey, positionKey)
			h := redisHub(t, r, keeping)
			l := hubtest.ListenForLosses(t, h, "chat")
			first := hubtest.PublishNumbers(t, h, "chat", 1, 1)
			hubtest.PublishNumbers(t, h, "chat", 2, 3)
			l.Wait(t, 3)
			for _, command := range c.damage {
				redisSays(t, r, command...)
			}
			hubtest.Publish(t, h, "chat", "4")
			if c.told {
				hubtest.Eventually(t, hubtest.Patience, func() bool { return l.Losses() == 1 }, "the subscriber is told")
			}
			last := hubtest.Publish(t, h, "chat", "5")
			hubtest.Eventually(t, hubtest.Patience, func() bool { return slices.Contains(l.Data(), "5") }, "publishing goes on")
			if got := l.Data(); !c.told && (l.Losses() != 0 || !slices.Equal(got, []string{"1", "2", "3", "4", "5"})) {
				t.Errorf("came %q, and %d times told of a loss", got, l.Losses())
			}
			sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("late"), first)
			if sub.Recovered != c.recover || sub.Position != last {
				t.Errorf("recovered=%t at %+v, want %t at %+v", sub.Recovered, sub.Position, c.recover, last)
			}
			if sub.Recovered {
				hubtest.WantOneByOne(t, first.Offset, sub.Missed)
			}
		})
	}
}

// One channel that is damaged keeps no other from being repaired.
func TestRedisDamageAmongOthers(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string][]any{
		"position": {"SET", positionKey, "x"},
		"stream":   {"SET", streamKey, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := hubtest.Redis(t)
			proxy := hubtest.NewProxy(t, r.Addr())
			publisher, h := redisHub(t, r, keeping), redisHubAt(t, "redis://"+proxy.Addr(), keeping)
			damaged, other := hubtest.ListenForLosses(t, h, "chat"), hubtest.ListenForLosses(t, h, "other")
			hubtest.Publish(t, publisher, "chat", "1")
			damaged.Wait(t, 1)
			proxy.Refuse(true)
			proxy.Cut()
			hubtest.Publish(t, publisher, "chat", "2")
			if err := hubtest.TryPublish(publisher, "other", "1", ""); err != nil {
				t.Fatal(err)
			}
			redisSays(t, r, damage...)
			proxy.Refuse(false)
			other.Want(t, "1")
			hubtest.Eventually(t, hubtest.Patience, func() bool { return damaged.Losses() == 1 }, "the subscriber of the damaged channel is told")
			wantAlive(t, publisher, "chat", damaged.Recorder)
		})
	}
}

// What others publish on the Pub/Sub channel of a channel with history does no
// harm to what comes after it.
func TestRedisForeignMessagesWithHistory(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHub(t, r, keeping)
	l := hubtest.ListenForLosses(t, h, "chat")
	epoch := hubtest.PublishNumbers(t, h, "chat", 1, 3).Epoch
	l.Wait(t, 3)
	for _, payload := range []string{
		"", "\n", " \n", "4", "4 " + epoch, "x " + epoch + "\n\x01", "-1 " + epoch + "\n\x01", "4 " + epoch + "\n", "4 " + epoch + "\nx",
		"4 " + epoch + "\n\x01d\x7f", "99 " + epoch + "\n\x01", "1 " + epoch + "\n\x01", "4 other\n\x01", "18446744073709551615 " + epoch + "\n\x01",
		"99999999999999999999 " + epoch + "\n\x01",
	} {
		redisSays(t, r, "PUBLISH", "belfry:{chat}", payload)
	}
	hubtest.PublishNumbers(t, h, "chat", 4, 5)
	l.Want(t, "1", "2", "3", "4", "5")
	hubtest.WantOneByOne(t, 0, l.Messages())
	if l.Losses() != 0 {
		t.Errorf("%d times told of a loss", l.Losses())
	}
}

// Redis comes back with an older copy of its data, and offsets that subscribers
// have seen are not given again: they are told, and the numbering begins anew.
func TestRedisComesBackOlder(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHub(t, r, keeping)
	l := hubtest.ListenForLosses(t, h, "chat")
	hubtest.PublishNumbers(t, h, "chat", 1, 5)
	redisSays(t, r, "SAVE")
	before := hubtest.PublishNumbers(t, h, "chat", 6, 10)
	l.Wait(t, 10)
	r.Stop()
	r.Start()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return l.Losses() == 1 }, "the subscriber is told")
	after := hubtest.Publish(t, h, "chat", "after")
	if after.Epoch == before.Epoch || after.Offset != 1 {
		t.Errorf("the next message is at %+v, want 1 in another epoch than %s", after, before.Epoch)
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return slices.Contains(l.Data(), "after") }, "it goes on")
	if sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("late"), hub.Position{Epoch: before.Epoch, Offset: 3}); sub.Recovered {
		t.Error("recovered from the numbering that lost its end")
	}
}

// A node that publishes says what it has seen, so that no message gets the
// offset of one that was lost, also before anybody has noticed.
func TestRedisOlderThanThePublisherHasSeen(t *testing.T) {
	t.Parallel()
	b := attached(t, hubtest.Redis(t).URL())
	publish := func(seen hub.Position) hub.Position {
		t.Helper()
		r, err := b.Publish(t.Context(), "chat", &hub.Message{Data: []byte("1")}, hub.PublishOptions{History: keptHistory, Seen: seen})
		if err != nil {
			t.Fatal(err)
		}
		return r.Position
	}
	first := publish(hub.Position{})
	if p := publish(first); p != (hub.Position{Epoch: first.Epoch, Offset: 2}) {
		t.Errorf("after %+v came %+v", first, p)
	}
	if p := publish(hub.Position{Epoch: "another", Offset: 77}); p != (hub.Position{Epoch: first.Epoch, Offset: 3}) {
		t.Errorf("what was seen in another epoch made it %+v", p)
	}
	if p := publish(hub.Position{Epoch: first.Epoch, Offset: 4}); p.Epoch == first.Epoch || p.Offset != 1 {
		t.Errorf("the offset of a message that was seen was given again: %+v", p)
	}
}

// attached returns a broker whose messages go nowhere.
func attached(t *testing.T, url string) *redisbroker.Broker {
	t.Helper()
	b := redisBroker(t, patient(url))
	hubtest.Run(t, hub.Options{Broker: b})
	hubtest.Eventually(t, hubtest.Patience, func() bool { return b.Ready(t.Context()) == nil }, "the broker is ready")
	return b
}

// A lease has ended, and is not among those whose members are to be taken out, as
// when Redis has come back with older data meanwhile. Its node takes a new one
// and goes on.
func TestRedisEndedLeaseIsNotDead(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h, _ := presenceNode(t, r.Addr(), time.Second)
	hubtest.Enter(t, h, "chat", hubtest.Client("anna"))
	lease := strings.Trim(redisSays(t, r, "ZRANGE", "belfry:leases", 0, -1), "[]")
	redisSays(t, r, "ZADD", "belfry:leases:ended", time.Now().UnixMilli(), lease)
	redisSays(t, r, "ZREM", "belfry:leases", lease)
	hubtest.Enter(t, h, "chat", hubtest.Client("ben"))
	hubtest.WantPresent(t, h, "chat", "anna ben", 2)
}
