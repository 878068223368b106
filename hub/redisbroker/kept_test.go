package redisbroker_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// Nothing is kept in Redis for a channel that was only subscribed to. It has a
// position all the same, in the epoch in which it begins, on every node.
func TestSubscribingKeepsNothing(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	a, b := redisHub(t, r, keeping), redisHub(t, r, keeping)
	var before hub.Position
	for i := range 300 {
		for _, h := range []*hub.Hub{a, b} {
			sub := hubtest.Subscribe(t, h, fmt.Sprint("room", i), hubtest.NewRecorder("r"), lines)
			if before = sub.Position; before.Epoch == "" || before.Offset != 0 {
				t.Fatalf("the position is %+v, want 0 in an epoch", before)
			}
			sub.Cancel()
		}
	}
	if keys := redisSays(t, r, "KEYS", "*room*"); keys != "[]" {
		t.Errorf("Redis has %.300s, want nothing", keys)
	}
	if first := hubtest.Publish(t, a, "room299", "1"); first != (hub.Position{Epoch: before.Epoch, Offset: 1}) {
		t.Errorf("the first message is at %+v, want 1 after %+v", first, before)
	}
	late := hubtest.NewRecorder("late")
	sub := hubtest.Recover(t, b, "room299", late, before)
	sub.Start()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return len(sub.Missed)+late.Len() == 1 }, "the first message comes, missed or live")
	if !sub.Recovered {
		t.Error("not recovered from the position before the first message")
	}
}

// A channel that had a numbering begins in an epoch of its own, also when nothing is
// left of it but its trace.
func TestWhereChannelsBegin(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	script := func(seconds int64, seen string, offset int, does string) string {
		return redisSays(t, r, "EVAL", redisbroker.BeginSource+does,
			2, positionKey, streamKey, "gene1234", seconds, seen, offset)
	}
	begin := func(seconds int64, seen string, offset int) string {
		return script(seconds, seen, offset, `return begin(redis.pcall('HMGET', KEYS[1], 'e', 'o'), KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'begun:') or 'none'`)
	}
	const year = 365 * 24 * 60 * 60
	const first = "gene...."
	now := time.Now().Unix()
	for _, when := range []int64{now, now + year} {
		if got := begin(when, first, 0); got != first {
			t.Errorf("the epoch is %q, want %q for as long as nothing was published", got, first)
		}
	}
	for name, damage := range map[string][]any{
		"stream alone":  {"XADD", streamKey, "1-0", "m", "x"},
		"epoch alone":   {"HSET", positionKey, "e", "gene1234"},
		"offset alone":  {"HSET", positionKey, "o", "7"},
		"another thing": {"SET", positionKey, "x"},
	} {
		redisSays(t, r, damage...)
		if got := begin(now, "", 0); got != "none" {
			t.Errorf("%s: the epoch is %q, want a new name", name, got)
		}
		redisSays(t, r, "DEL", positionKey, streamKey)
	}
	if got := begin(now, first, 3); got != "none" {
		t.Errorf("when numbers were seen the epoch is %q, want a new name", got)
	}
	redisSays(t, r, "HSET", positionKey, "e", "old1old2", "o", "7")
	if got := begin(now, "", 0); got != first {
		t.Errorf("after an earlier generation the epoch is %q, want %q", got, first)
	}
	redisSays(t, r, "DEL", positionKey)
	script(now, "", 0, `mark(KEYS[1], 'gene....', ARGV[2], 'begun:') return 1`)
	for _, when := range []int64{now, now + year} {
		if got := begin(when, "", 0); got != "none" {
			t.Errorf("the channel was forgotten, and the epoch is %q, want a new name", got)
		}
	}
}

// A channel whose keys were removed does not begin in the epoch that it had.
func TestRemovedChannelBeginsAnew(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	before := hubtest.Publish(t, redisHub(t, r, keeping), "chat", "1")
	redisSays(t, r, "DEL", positionKey, streamKey)
	late := hubtest.NewRecorder("late")
	h := redisHub(t, r, keeping)
	if sub := hubtest.Recover(t, h, "chat", late, before); sub.Recovered || sub.Position.Epoch == before.Epoch {
		t.Errorf("recovered %t at %+v from %+v, which nobody has", sub.Recovered, sub.Position, before)
	}
	if after := hubtest.Publish(t, h, "chat", "2"); after.Epoch == before.Epoch {
		t.Errorf("two messages have the positions %+v and %+v", before, after)
	}
}

// One history is bounded in bytes, also one of large messages, and keeps the newest.
func TestHistoryBytesInRedis(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	const most = 1 << 20
	h := redisHub(t, r, hub.Rules{{Match: "*", History: hub.History{Size: 100, TTL: time.Minute, Bytes: most}}})
	used := func() int {
		n, err := strconv.Atoi(redisSays(t, r, "MEMORY", "USAGE", streamKey, "SAMPLES", 0))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, size := range []int{60_000, 100, 60_000, 9_000, 200_000} {
		data := strings.Repeat("x", size)
		for range 150 {
			hubtest.Publish(t, h, "chat", data)
		}
		if n := used(); n > 2*most {
			t.Errorf("messages of %d bytes: the history has %d bytes, want %d at most", size, n, 2*most)
		}
	}
	last := hubtest.Publish(t, h, "chat", strings.Repeat("x", 2*most))
	read, err := h.History(t.Context(), "chat", hub.HistoryOptions{Limit: -1})
	if err != nil || len(read.Messages) != 1 || read.Messages[0].Offset != last.Offset {
		t.Errorf("after a message over the bound the history has %d messages up to %+v (%v)", len(read.Messages), read.Position, err)
	}
}
