package redisbroker_test

import (
	"fmt"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// A message is written that no Pub/Sub brings: the node finds it when it looks.
func TestPositionShowsQuietGap(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h, b := brokerHub(t, r.URL(), keeping)
	l := hubtest.ListenForLosses(t, h, "chat")
	hubtest.Publish(t, h, "chat", "1")
	l.Want(t, "1")
	silently := b.PublishArgs("chat", &hub.Message{Data: []byte("2"), Time: time.Now().UnixMilli()}, hub.PublishOptions{History: keptHistory})
	silently[9] = "elsewhere" // the Pub/Sub channel
	silently = append([]any{"EVAL", redisbroker.PublishSource}, silently[2:]...)
	redisSays(t, r, silently...)
	h.HandleGap([]string{"chat"})
	l.Want(t, "1", "2")
	hubtest.Publish(t, h, "chat", "3")
	l.Want(t, "1", "2", "3")
	hubtest.WantOneByOne(t, 0, l.Messages())
	if s := h.Stats(); s.Repaired != 1 || l.Losses() != 0 {
		t.Errorf("%+v, %d losses: want one repair and no loss", s, l.Losses())
	}
}

// A position that is in use is kept, though nothing is published.
func TestPositionAskedForIsKept(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHub(t, r, keeping)
	before := hubtest.Publish(t, h, "chat", "1")
	redisSays(t, r, "PEXPIRE", "belfry:{chat}:position", 60_000)
	if got := hubtest.Subscribe(t, h, "chat", hubtest.NewRecorder("r"), lines).Position; got != before {
		t.Errorf("the position is %+v, want %+v", got, before)
	}
	if got := redisSays(t, r, "TTL", "belfry:{chat}:position"); got != fmt.Sprint(7*24*60*60) {
		t.Errorf("the position is kept for %s s, want a week", got)
	}
}

// Messages that the short script appends are kept and sent as by the whole one.
func TestAppendDoesWhatPublishDoes(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h, b := brokerHub(t, r.URL(), keeping)
	l := hubtest.ListenForLosses(t, h, "chat")
	o := hub.PublishOptions{History: keptHistory}
	for i := range 3 {
		hubtest.Publish(t, h, "chat", fmt.Sprint(3*i))   // begins, and then appends
		hubtest.Publish(t, h, "chat", fmt.Sprint(3*i+1)) // appends
		whole := b.PublishArgs("chat", &hub.Message{Data: fmt.Append(nil, 3*i+2), Time: time.Now().UnixMilli()}, o)
		redisSays(t, r, append([]any{"EVAL", redisbroker.PublishSource}, whole[2:]...)...)
	}
	l.Want(t, "0", "1", "2", "3", "4", "5", "6", "7", "8")
	hubtest.WantOneByOne(t, 0, l.Messages())
	if s := h.Stats(); s.Repaired+s.Lost != 0 {
		t.Errorf("%+v, want no repair and no loss", s)
	}
	found, err := h.History(t.Context(), "chat", hub.HistoryOptions{Limit: -1})
	if err != nil || len(found.Messages) != 9 {
		t.Errorf("the history has %d messages, %v", len(found.Messages), err)
	}
}
