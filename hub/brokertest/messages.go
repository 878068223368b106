package brokertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

var messageChecks = []check{
	{"order", checkOrder},
	{"many channels", checkManyChannels},
	{"isolation", checkIsolation},
	{"idempotency", checkIdempotency},
	{"idempotency expires", checkIdempotencyExpires},
	{"idempotency at once", checkIdempotencyAtOnce},
	{"come and go", checkComeAndGo},
	{"exclude", checkExclude},
	{"fields", checkFields},
	{"large messages", checkLargeMessages},
	{"nobody subscribed", checkNobodySubscribed},
	{"context ends", checkContextEnds},
	{"live once it returns", checkLiveOnceSubscribed},
}

// Many publishers on two nodes: subscribers everywhere see the same order, and
// in it each publisher's own; nothing twice, nothing missing.
func checkOrder(t *testing.T, s Setup) {
	const publishers, each = 8, 200
	hubs := s.nodes(t, 2, nil)
	var rs []*hubtest.Recorder
	for i := range 6 {
		rs = append(rs, hubtest.Listen(t, hubs[i%2], "chat", fmt.Sprint(i)))
	}
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				hubtest.Publish(t, hubs[p%2], "chat", fmt.Sprint(p*each+i))
			}
		})
	}
	publishing.Wait()
	first := rs[0].Wait(t, publishers*each)
	hubtest.WantInTurn(t, first, publishers, each)
	for _, r := range rs[1:] {
		if got := r.Wait(t, publishers*each); !slices.Equal(got, first) {
			t.Errorf("subscriber %s saw another order than subscriber 0", r.ID())
		}
	}
}

func checkManyChannels(t *testing.T, s Setup) {
	const channels = 300
	hubs := s.nodes(t, 2, nil)
	rs := make([]*hubtest.Recorder, channels)
	var joining sync.WaitGroup
	for i := range rs {
		joining.Go(func() { rs[i] = hubtest.Listen(t, hubs[i%2], fmt.Sprint("chat:", i), fmt.Sprint(i)) })
	}
	joining.Wait()
	for i := range rs {
		hubtest.Publish(t, hubs[i/2%2], fmt.Sprint("chat:", i), fmt.Sprint(i))
	}
	for i, r := range rs {
		r.Want(t, fmt.Sprint(i))
	}
}

// Names that look alike, or like parts of what brokers make of them, are
// different channels.
func checkIsolation(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, nil)
	names := []string{
		"chat", "Chat", "chat ", "chat:1", "chat*", "c?at", "chat}", "{chat}", "{chat", "}", "}chat", "{}", "7d", "belfry:{chat}", "chat:once:1",
		"鐘", "%s", "chat'\"\\", strings.Repeat("c", hub.MaxChannelName),
	}
	rs := make(map[string]*hubtest.Recorder)
	for i, name := range names {
		rs[name] = hubtest.Listen(t, hubs[i%2], name, name)
	}
	for i, name := range names {
		hubtest.Publish(t, hubs[(i+1)%2], name, name)
	}
	hubtest.Publish(t, hubs[0], "chat:2", "nobody")
	for _, name := range names { // behind which nothing comes that should not
		hubtest.Publish(t, hubs[0], name, "end")
	}
	for name, r := range rs {
		r.Want(t, name, "end")
	}
}

// once publishes under an idempotency key.
func once(t *testing.T, h *hub.Hub, channel, data, key string, ttl time.Duration) hub.PublishResult {
	t.Helper()
	o := hub.PublishOptions{IdempotencyKey: key, IdempotencyTTL: ttl}
	result, err := h.Publish(context.Background(), channel, &hub.Message{Data: hubtest.Value(data)}, o)
	if err != nil {
		t.Errorf("Publish with the key %q: %v", key, err)
	}
	return result
}

func checkIdempotency(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, nil)
	a, b := hubtest.Listen(t, hubs[0], "chat", "a"), hubtest.Listen(t, hubs[1], "news", "b")
	for _, c := range []struct {
		name, channel, data, key string
		node                     int
		duplicate                bool
	}{
		{"first", "chat", "1", "k", 0, false},
		{"again", "chat", "1", "k", 0, true},
		{"again with other data", "chat", "other", "k", 0, true},
		{"again on the other node", "chat", "1", "k", 1, true},
		{"another key", "chat", "2", "K", 1, false},
		{"another channel", "news", "1", "k", 1, false},
		{"names that look like keys", "chat}:once:a", "1", "b", 0, false},
		{"keys that look like names", "chat", "3", "a}:once:b", 0, false},
		{"no key", "chat", "3", "", 0, false},
		{"no key again", "chat", "3", "", 1, false},
	} {
		if got := once(t, hubs[c.node], c.channel, c.data, c.key, 0); got.Duplicate != c.duplicate {
			t.Errorf("%s: duplicate %t, want %t", c.name, got.Duplicate, c.duplicate)
		}
	}
	hubtest.Publish(t, hubs[0], "chat", "end")
	a.Want(t, "1", "2", "3", "3", "3", "end")
	b.Want(t, "1")
}

func checkIdempotencyExpires(t *testing.T, s Setup) {
	h := s.nodes(t, 1, nil)[0]
	r := hubtest.Listen(t, h, "chat", "r")
	start := time.Now()
	once(t, h, "chat", "1", "k", time.Second)
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		return !once(t, h, "chat", "2", "k", time.Minute).Duplicate
	}, "the key expires")
	if d := time.Since(start); d < time.Second {
		t.Errorf("the key expired after %s, want a second", d)
	}
	r.Want(t, "1", "2")
}

// Of many that publish at once under one key, on two nodes, one succeeds.
func checkIdempotencyAtOnce(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, nil)
	r := hubtest.Listen(t, hubs[0], "chat", "r")
	var mu sync.Mutex
	fresh := 0
	var publishing sync.WaitGroup
	for i := range 20 {
		publishing.Go(func() {
			if !once(t, hubs[i%2], "chat", "1", "k", 0).Duplicate {
				mu.Lock()
				defer mu.Unlock()
				fresh++
			}
		})
	}
	publishing.Wait()
	hubtest.Publish(t, hubs[0], "chat", "end")
	r.Want(t, "1", "end")
	if fresh != 1 {
		t.Errorf("%d were told that theirs was the first, want 1", fresh)
	}
}

// A channel works every time for those who come and go quickly.
func checkComeAndGo(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, nil)
	var coming sync.WaitGroup
	for worker := range 4 {
		coming.Go(func() {
			for i := range 40 {
				channel := fmt.Sprint("chat:", i%3)
				r := hubtest.NewRecorder(fmt.Sprint(worker, ".", i))
				sub, err := hubs[worker%2].Subscribe(t.Context(), channel, r, hubtest.Lines{}, hub.SubscribeOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				sub.Start()
				hubtest.Publish(t, hubs[(worker+1)%2], channel, r.ID())
				hubtest.Eventually(t, hubtest.Patience, func() bool { return slices.Contains(r.Data(), r.ID()) }, "its own message")
				sub.Cancel()
			}
		})
	}
	coming.Wait()
}

// What is published after Subscribe has returned comes, wherever it is
// published.
func checkLiveOnceSubscribed(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, nil)
	for i := range 100 {
		channel := fmt.Sprint("chat:", i)
		r := hubtest.NewRecorder(channel)
		sub := hubtest.Subscribe(t, hubs[0], channel, r, hubtest.Lines{})
		hubtest.Publish(t, hubs[1], channel, "1")
		sub.Start()
		r.Want(t, "1")
	}
}

func checkExclude(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, nil)
	anna, ben := hubtest.Listen(t, hubs[0], "chat", "anna"), hubtest.Listen(t, hubs[1], "chat", "ben")
	for _, exclude := range []string{"anna", "ben", ""} {
		m := &hub.Message{Data: hubtest.Value("not " + exclude), Exclude: exclude}
		if _, err := hubs[0].Publish(t.Context(), "chat", m, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	anna.Want(t, "not ben", "not ")
	ben.Want(t, "not anna", "not ")
}

func checkFields(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, nil)
	r := hubtest.Listen(t, hubs[1], "chat", "r")
	tags := map[string]string{"kind": "greeting", "sprache": "grüß dich"}
	sent := []*hub.Message{
		{Data: []byte(`{"a":1}`), Tags: tags, Info: &hub.ClientInfo{User: "42", Client: "abc"}, Time: 1_700_000_000_123},
		{Data: []byte(`"x"`), Info: &hub.ClientInfo{Client: "abc"}},
		{Data: []byte(`null`)},
	}
	before := time.Now().UnixMilli()
	for _, m := range sent {
		if _, err := hubs[0].Publish(t.Context(), "chat", m, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	r.Wait(t, len(sent))
	got := r.Messages()
	if m := got[0]; !maps.Equal(m.Tags, tags) || m.Info == nil || !reflect.DeepEqual(m.Info, sent[0].Info) || m.Time != sent[0].Time {
		t.Errorf("got %+v of %+v", m, sent[0])
	}
	if m := got[1]; m.Info == nil || !reflect.DeepEqual(m.Info, sent[1].Info) || m.Tags != nil {
		t.Errorf("got %+v of %+v", m, sent[1])
	}
	if m := got[2]; m.Info != nil || string(m.Data) != "null" || m.Time < before || m.Time > time.Now().UnixMilli() {
		t.Errorf("got %+v of %+v, want the time when it was accepted", m, sent[2])
	}
}

func checkLargeMessages(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, nil)
	r := hubtest.Listen(t, hubs[1], "chat", "r")
	var want []string
	for i := range 20 {
		want = append(want, strings.Repeat(string(rune('a'+i)), 1<<20))
		hubtest.Publish(t, hubs[0], "chat", want[i])
	}
	for i, got := range r.Wait(t, len(want)) {
		if got != want[i] {
			t.Fatalf("message %d has %d bytes starting with %.10q, want %d starting with %.10q", i, len(got), got, len(want[i]), want[i])
		}
	}
}

func checkNobodySubscribed(t *testing.T, s Setup) {
	h := s.nodes(t, 1, nil)[0]
	hubtest.Publish(t, h, "chat", "1")
	r := hubtest.Listen(t, h, "chat", "r")
	hubtest.Publish(t, h, "chat", "2")
	r.Want(t, "2")
}

// A publisher that has gone away already publishes nothing.
func checkContextEnds(t *testing.T, s Setup) {
	h := s.nodes(t, 1, nil)[0]
	r := hubtest.Listen(t, h, "chat", "r")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, key := range []string{"", "k"} {
		_, err := h.Publish(ctx, "chat", &hub.Message{Data: []byte("1")}, hub.PublishOptions{IdempotencyKey: key})
		if !errors.Is(err, hub.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("Publish with the key %q = %v, want an ErrUnavailable that says that the context ended", key, err)
		}
	}
	if result := once(t, h, "chat", "2", "k", 0); result.Duplicate {
		t.Error("the key of a publish that failed is remembered")
	}
	r.Want(t, "2")
}
