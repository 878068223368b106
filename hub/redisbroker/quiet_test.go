package redisbroker_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// What stands between a node and Redis has forgotten every connection that was quiet,
// and drops what is sent over them. No publish goes over one of them: it would have
// no answer.
func TestQuietConnectionsAreForgotten(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	proxy := hubtest.NewProxy(t, r.Addr())
	o := patient("redis://" + proxy.Addr())
	o.PresenceTTL = time.Hour // nothing else uses the connections meanwhile
	const idle = 100 * time.Millisecond
	o.SetIdle(idle)
	h, _ := hubtest.Run(t, hub.Options{Broker: redisBroker(t, o), Rules: hub.Rules{{Match: "chat*", Presence: true}}}) // no date ticks
	waitReady(t, h)
	var busy sync.WaitGroup
	for i := range 20 { // which need many connections
		busy.Go(func() {
			if _, err := h.PresenceStats(t.Context(), fmt.Sprint("chat", i)); err != nil {
				t.Error(err)
			}
		})
		busy.Go(func() { hubtest.Publish(t, h, "chat", "before") })
	}
	busy.Wait()
	time.Sleep(idle)
	proxy.Forget()
	for range 20 {
		hubtest.Publish(t, h, "chat", "after")
	}
}

// hungUp is a hook by which connections turn out to lead nowhere, so many times.
type hungUp struct{ times atomic.Int32 }

func (h *hungUp) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h *hungUp) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *hungUp) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		if h.times.Add(-1) < 0 {
			return next(ctx, commands)
		}
		err := redisbroker.Unsent(&net.OpError{Op: "write", Err: syscall.EPIPE})
		for _, c := range commands {
			c.SetErr(err)
		}
		return err
	}
}

// What was surely not sent is sent over another connection; when there is none to be
// had nothing was done.
func TestUnsentIsSentAgain(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	b := redisBroker(t, patient(r.URL()))
	h, _ := hubtest.Run(t, hub.Options{Broker: b, Rules: hub.Rules{{Match: "chat"}}})
	waitReady(t, h)
	hook := new(hungUp)
	b.AddHook(hook)
	rec := hubtest.Listen(t, h, "chat", "r")
	hook.times.Store(2)
	hubtest.Publish(t, h, "chat", "1")
	hook.times.Store(redisbroker.Exchanges)
	if err := publishErr(h, ""); !errors.Is(err, hub.ErrUnavailable) || errors.Is(err, hub.ErrUnanswered) {
		t.Errorf("publish: %v, want that nothing was done", err)
	}
	hubtest.Publish(t, h, "chat", "2")
	rec.Want(t, "1", "2")
}
