package redisbroker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// echoing is a node that answers calls with what it is asked.
func echoing(t *testing.T, url string) *hub.Hub {
	t.Helper()
	h := hub.New(hub.Options{Broker: redisBroker(t, patient(url))})
	h.HandleCall("echo", func(_ context.Context, data []byte) ([]byte, error) { return data, nil })
	hubtest.RunHub(t, h)
	waitReady(t, h)
	return h
}

// What others publish where nodes talk to one another is dropped and logged, and
// does no harm.
func TestForeignSignals(t *testing.T) {
	r := hubtest.Redis(t)
	var log hubtest.Log
	h, _ := hubtest.Run(t, hub.Options{
		Broker: redisBroker(t, patient(r.URL())), CallWait: hubtest.Patience,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	waitReady(t, h)
	for _, junk := range []any{"", "hello", "null", "[]", "5", `{"from":"x"}`, `{"call":1}`, `{"from":1,"call":1}`, "{}", "\x01d\xff", bytes.Repeat([]byte(" "), 1<<20+1)} {
		for _, topic := range []string{"belfry:nodes", "belfry:node:" + h.Node()} {
			redisSays(t, r, "PUBLISH", topic, junk)
		}
	}
	redisSays(t, r, "PUBLISH", "belfry:nodes", `{"from":"nobody","call":77}`)            // an answer to nothing
	redisSays(t, r, "PUBLISH", "belfry:nodes", `{"from":"nobody","call":77,"name":"x"}`) // a call of nobody
	answers, err := h.CallAll(t.Context(), "x", nil)
	if err != nil || len(answers) != 1 {
		t.Errorf("CallAll after the junk = %v, %v", answers, err)
	}
	if n := strings.Count(log.String(), "no signal of ours"); n != 22 {
		t.Errorf("%d of 22 were logged:\n%s", n, &log)
	}
}

// A node that is away cannot call, and is not called.
func TestCallsWithoutRedis(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	proxy := hubtest.NewProxy(t, r.Addr())
	near := echoing(t, r.URL())
	far := echoing(t, "redis://"+proxy.Addr())
	if near.Node() == "" || near.Node() == far.Node() {
		t.Errorf("the nodes are called %q and %q", near.Node(), far.Node())
	}
	wantAnswers(t, near, 2)
	wantAnswers(t, far, 2)
	proxy.Refuse(true)
	proxy.Cut()
	if _, err := far.CallAll(t.Context(), "echo", nil); !errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("CallAll without Redis = %v, want ErrUnavailable", err)
	}
	wantAnswers(t, near, 1)
	if _, err := near.Call(t.Context(), far.Node(), "echo", nil); !errors.Is(err, hub.ErrNoAnswer) {
		t.Errorf("Call of a node that is away = %v, want ErrNoAnswer", err)
	}
	proxy.Refuse(false)
	wantAnswers(t, far, 2)
	wantAnswers(t, near, 2)
}

// wantAnswers waits until so many nodes, and all that are asked, answer a call.
func wantAnswers(t *testing.T, h *hub.Hub, n int) {
	t.Helper()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		answers, err := h.CallAll(t.Context(), "echo", []byte("x"))
		return err == nil && len(answers) == n && !slices.ContainsFunc(answers, func(a hub.Answer) bool { return string(a.Data) != "x" })
	}, fmt.Sprint(n, " nodes answer"))
}
