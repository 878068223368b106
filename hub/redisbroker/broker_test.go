package redisbroker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// wantUnavailable checks that both ways to publish, and Ready, say soon that the
// broker is away.
func wantUnavailable(t *testing.T, h *hub.Hub) {
	t.Helper()
	calls := map[string]func() error{
		"Ready":            func() error { return h.Ready(context.Background()) },
		"Publish":          func() error { return publishErr(h, "") },
		"Publish with key": func() error { return publishErr(h, fmt.Sprint(time.Now())) },
	}
	var calling sync.WaitGroup
	for name, call := range calls {
		calling.Go(func() {
			start := time.Now()
			err := call()
			if d := time.Since(start); !errors.Is(err, hub.ErrUnavailable) || d > hubtest.Soon {
				t.Errorf("%s = %v after %s, want an ErrUnavailable soon", name, err, d)
			}
		})
	}
	calling.Wait()
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	hubs, _ := redisNodes(t, r, 2)
	rec := hubtest.Listen(t, hubs[0], "chat", "r")
	hubtest.Publish(t, hubs[1], "chat", "1")
	rec.Want(t, "1")
	r.Stop()
	wantUnavailable(t, hubs[0])
	// Subscribers are taken all the same.
	start := time.Now()
	late := hubtest.Listen(t, hubs[0], "chat:late", "late")
	if d := time.Since(start); d > hubtest.Soon {
		t.Errorf("a subscriber waited for %s", d)
	}
	r.Start()
	wantAlive(t, hubs[1], "chat", rec)
	wantAlive(t, hubs[1], "chat:late", late)
	for _, data := range rec.Data() {
		if data == "x" {
			t.Error("a message was delivered although its publish was refused")
		}
	}
}

func TestRedisAwayAtStart(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	r.Stop()
	h, _ := redisNode(t, r.URL())
	wantUnavailable(t, h)
	rec := hubtest.Listen(t, h, "chat", "r")
	r.Start()
	wantAlive(t, h, "chat", rec)
	waitReady(t, h)
}

// A long time away, with many who try to publish, does not make the return
// slower.
func TestRedisBackAfterManyRefusals(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	hubs, _ := redisNodes(t, r, 1)
	rec := hubtest.Listen(t, hubs[0], "chat", "r")
	r.Stop()
	var publishing sync.WaitGroup
	for range 200 {
		publishing.Go(func() {
			if err := publishErr(hubs[0], ""); !errors.Is(err, hub.ErrUnavailable) {
				t.Errorf("Publish = %v, want ErrUnavailable", err)
			}
		})
	}
	publishing.Wait()
	r.Start()
	wantAlive(t, hubs[0], "chat", rec)
}

func TestRedisRestartedWithManyChannels(t *testing.T) {
	t.Parallel()
	const channels = 1000
	r := hubtest.Redis(t)
	hubs, _ := redisNodes(t, r, 2)
	rs := make([]*hubtest.Recorder, channels)
	var joining sync.WaitGroup
	for i := range rs {
		joining.Go(func() { rs[i] = hubtest.Listen(t, hubs[0], fmt.Sprint("chat:", i), fmt.Sprint(i)) })
	}
	joining.Wait()
	r.Stop()
	r.Start()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		silent := 0
		for i, rec := range rs {
			if rec.Len() == 0 {
				_ = hubtest.TryPublish(hubs[1], fmt.Sprint("chat:", i), "alive", "")
				silent++
			}
		}
		return silent == 0
	}, "all channels are live again")
	hubtest.Publish(t, hubs[1], "chat:0", "once")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.HasSuffix(rs[0].Frames(), "once\n") }, "the last message")
	if strings.Count(rs[0].Frames(), "once") != 1 {
		t.Error("a message came twice after the restart")
	}
}

// A Redis that hangs is as much away as one that is gone.
func TestRedisPaused(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := impatientHub(t, r.URL(), nil)
	rec := hubtest.Listen(t, h, "chat", "r")
	r.Pause()
	wantUnavailable(t, h)
	start := time.Now()
	late := hubtest.Listen(t, h, "chat:late", "late")
	if d := time.Since(start); d > hubtest.Soon {
		t.Errorf("a subscriber waited for %s", d)
	}
	wantDisconnected(t, h)
	wantUnavailable(t, h)
	r.Resume()
	wantAlive(t, h, "chat", rec)
	wantAlive(t, h, "chat:late", late)
}

// wantDisconnected waits until a node has given up its Pub/Sub connection.
func wantDisconnected(t *testing.T, h *hub.Hub) {
	t.Helper()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		err := h.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "no Pub/Sub connection")
	}, "the connection is given up")
}

// Those who publish while Redis comes and goes are refused or not; what was
// accepted, and came, is in order and there once.
func TestRedisRestartedUnderLoad(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	hubs, _ := redisNodes(t, r, 2)
	rec := hubtest.Listen(t, hubs[1], "chat", "r")
	var refused atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; t.Context().Err() == nil && rec.Len() < 3000; i++ {
			if err := hubtest.TryPublish(hubs[0], "chat", fmt.Sprintf("%08d", i), ""); err != nil {
				refused.Add(1)
			}
		}
	}()
	for _, n := range []int{500, 1000} {
		rec.Wait(t, n)
		before := refused.Load()
		r.Stop()
		hubtest.Eventually(t, hubtest.Patience, func() bool { return refused.Load() > before }, "some are refused")
		r.Start()
	}
	<-done
	got, last := rec.Data(), ""
	for _, data := range got {
		if data <= last {
			t.Fatalf("%s came after %s", data, last)
		}
		last = data
	}
	if len(got) < 3000 {
		t.Fatalf("%d messages came", len(got))
	}
}

// The clock goes on without Redis, and through its return.
func TestRedisTicks(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	hubs, _ := redisNodes(t, r, 2)
	var clocks []*hubtest.Recorder
	for i, h := range hubs {
		clocks = append(clocks, hubtest.Listen(t, h, hub.DateChannel, fmt.Sprint(i)))
	}
	clocks[0].Wait(t, 1)
	r.Stop()
	for _, c := range clocks {
		c.Wait(t, c.Len()+2)
	}
	r.Start()
	for _, c := range clocks {
		wantForward(t, c)
	}
}

// What a node wants of a channel ends when that is idle.
func TestRedisUnsubscribesIdleChannels(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	hubs, _ := redisNodes(t, r, 1)
	sub := hubtest.Subscribe(t, hubs[0], "chat", hubtest.NewRecorder("r"), lines)
	if got := redisSays(t, r, "PUBSUB", "CHANNELS", "*chat*"); got != "[belfry:{chat}]" {
		t.Errorf("Redis has the subscriptions %s", got)
	}
	sub.Cancel()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return redisSays(t, r, "PUBSUB", "CHANNELS", "*chat*") == "[]" },
		"the idle channel is let go of")
}

func TestRedisURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
		url  func(addr string) string
	}{
		{"plain", nil, func(addr string) string { return "redis://" + addr }},
		{"database", nil, func(addr string) string { return "redis://" + addr + "/3" }},
		{"password", []string{"--requirepass", "s3cret"}, func(addr string) string { return "redis://:s3cret@" + addr }},
		{"password with signs", []string{"--requirepass", "a/b@c"}, func(addr string) string { return "redis://:a%2Fb%40c@" + addr }},
		{"user", []string{"--user", "bell", "on", ">s3cret", "~*", "&*", "+@all"}, func(addr string) string { return "redis://bell:s3cret@" + addr + "/1" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, _ := redisNode(t, c.url(hubtest.Redis(t, c.args...).Addr()))
			waitReady(t, h)
			r := hubtest.Listen(t, h, "chat", "r")
			hubtest.Publish(t, h, "chat", "1")
			if hubtest.PublishWith(t, h, "chat", "2", hub.PublishOptions{IdempotencyKey: "k"}).Duplicate {
				t.Error("a fresh key is a duplicate")
			}
			r.Want(t, "1", "2")
		})
	}
}

// A wrong password is told, and neither it nor the right one is shown.
func TestRedisWrongPassword(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t, "--requirepass", "s3cret")
	var log hubtest.Log
	o := patient("redis://:wr0ng@" + r.Addr())
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	h, stop := hubtest.Run(t, hub.Options{Broker: redisBroker(t, o)})
	hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.Contains(log.String(), "WRONGPASS") }, "the log says why")
	errs := errors.Join(h.Ready(t.Context()), publishErr(h, ""), publishErr(h, "k"))
	stop()
	if !errors.Is(errs, hub.ErrUnavailable) {
		t.Errorf("errors are %v, want ErrUnavailable", errs)
	}
	for _, secret := range []string{"s3cret", "wr0ng"} {
		if strings.Contains(log.String(), secret) || strings.Contains(errs.Error(), secret) {
			t.Errorf("a password is shown: %v\n%s", errs, &log)
		}
	}
	if n := strings.Count(log.String(), "WRONGPASS"); n > 3 {
		t.Errorf("the log says it %d times", n)
	}
}

func TestRedisBadURL(t *testing.T) {
	for _, url := range []string{
		"", "localhost:6379", "http://:s3cret@localhost", "redis://:s3cret@localhost/notanumber", "redis://:s3cret@local host",
		"redis://:s3cret@localhost:port", "redis://:s3%zzcret@localhost", "redis://:s3cret@localhost/1/2",
		"redis://:s3cret@localhost?nonsense=s3cret",
	} {
		t.Run(url, func(t *testing.T) {
			b, err := redisbroker.New(redisbroker.Options{URL: url})
			if err == nil {
				t.Fatalf("%q makes the broker %v", url, b)
			}
			if strings.Contains(err.Error(), "s3") || !strings.Contains(err.Error(), "redis://") {
				t.Errorf("the error is %q, want what is accepted and no password", err)
			}
			if checked := redisbroker.CheckURL(url); checked == nil || checked.Error() != err.Error() {
				t.Errorf("CheckURL says %v, New says %v", checked, err)
			}
		})
	}
}

func TestRedisBadPrefix(t *testing.T) {
	for _, prefix := range []string{"{", "}", "a{b}:", "{belfry}"} {
		if _, err := redisbroker.New(redisbroker.Options{URL: "redis://localhost", Prefix: prefix}); err == nil || !strings.Contains(err.Error(), "brace") {
			t.Errorf("the prefix %q: %v, want an error that says what is wrong", prefix, err)
		}
	}
}

// Two sites may share a Redis, by prefixes or by databases.
func TestRedisShared(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	for name, options := range map[string][]redisbroker.Options{
		"prefixes":  {{URL: r.URL(), Prefix: "one:"}, {URL: r.URL(), Prefix: "two:"}},
		"databases": {{URL: r.URL() + "/0"}, {URL: r.URL() + "/1"}, {URL: r.URL() + "?db=2"}},
	} {
		t.Run(name, func(t *testing.T) {
			var hubs []*hub.Hub
			for _, o := range options {
				o.Timeout = hubtest.Patience
				h, _ := hubtest.Run(t, hub.Options{Broker: redisBroker(t, o)})
				waitReady(t, h)
				hubs = append(hubs, h)
			}
			wantApart(t, hubs)
		})
	}
}

// wantApart checks that two hubs share neither messages nor idempotency keys.
func wantApart(t *testing.T, hubs []*hub.Hub) {
	t.Helper()
	var rs []*hubtest.Recorder
	for i, h := range hubs {
		rs = append(rs, hubtest.Listen(t, h, "chat", fmt.Sprint(i)))
	}
	for i, h := range hubs {
		if hubtest.PublishWith(t, h, "chat", fmt.Sprint("of ", i), hub.PublishOptions{IdempotencyKey: "k"}).Duplicate {
			t.Error("the key of another site counts")
		}
	}
	for i := range hubs {
		rs[i].Want(t, fmt.Sprint("of ", i))
	}
	for i, h := range hubs { // behind which nothing comes that should not
		hubtest.Publish(t, h, "chat", "end")
		rs[i].Want(t, fmt.Sprint("of ", i), "end")
	}
}

// What others publish on our Redis channels is no message; it is dropped and
// logged, and does no harm.
func TestRedisForeignMessages(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	hubs, _ := redisNodes(t, r, 1)
	rec := hubtest.Listen(t, hubs[0], "chat", "r")
	redisSays(t, r, "PUBLISH", "belfry:{chat}", "hello")
	redisSays(t, r, "PUBLISH", "belfry:{chat}", "")
	redisSays(t, r, "PUBLISH", "belfry:{chat}", "\x01d\xff")
	hubtest.Publish(t, hubs[0], "chat", "1")
	rec.Want(t, "1")
}
