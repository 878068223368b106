package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// answering is a cluster whose nodes answer calls; only one node does so slowly.
func answering(t *testing.T, n int, broker func() hub.Broker) []*hub.Hub {
	t.Helper()
	hubs := make([]*hub.Hub, n)
	for i := range hubs {
		var h *hub.Hub
		hubs[i] = startWith(t, broker(), func(made *hub.Hub) {
			h = made
			h.HandleCall("echo", func(_ context.Context, data []byte) ([]byte, error) { return data, nil })
			h.HandleCall("fail", func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no such session") })
			h.HandleCall("fail silently", func(context.Context, []byte) ([]byte, error) { return nil, errors.New("") })
			h.HandleCall("big", func(context.Context, []byte) ([]byte, error) { return make([]byte, 1<<20), nil })
			h.HandleCall("slow", func(ctx context.Context, data []byte) ([]byte, error) {
				if i == n-1 {
					<-ctx.Done()
					time.Sleep(100 * time.Millisecond)
				}
				return data, nil
			})
		})
	}
	for _, h := range hubs {
		waitReady(t, h, hubtest.Patience)
	}
	return hubs
}

// startWith runs a hub that is prepared before.
func startWith(t *testing.T, b hub.Broker, prepare func(*hub.Hub)) *hub.Hub {
	t.Helper()
	h := hub.New(hub.Options{Broker: b})
	prepare(h)
	runHub(t, h)
	return h
}

func redisBroker(t *testing.T, o hub.RedisOptions) hub.Broker {
	t.Helper()
	b, err := hub.NewRedisBroker(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCalls is what calls do over every broker. The memory broker has one node.
func TestCalls(t *testing.T) {
	for name, nodes := range map[string]func(*testing.T) []*hub.Hub{
		"memory": func(t *testing.T) []*hub.Hub {
			return answering(t, 1, func() hub.Broker { return hub.NewMemoryBroker() })
		},
		"redis": func(t *testing.T) []*hub.Hub {
			url := hubtest.Redis(t).URL()
			return answering(t, 3, func() hub.Broker { return redisBroker(t, hub.RedisOptions{URL: url}) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hubs := nodes(t)
			for check, run := range map[string]func(*testing.T, []*hub.Hub){
				"all":          checkCallAll,
				"one":          checkCallOne,
				"nobody":       checkCallNobody,
				"failures":     checkCallFails,
				"slow":         checkCallSlow,
				"too large":    checkCallTooLarge,
				"at once":      checkCallsAtOnce,
				"context ends": checkCallContextEnds,
			} {
				t.Run(check, func(t *testing.T) {
					t.Parallel()
					run(t, hubs)
				})
			}
		})
	}
}

// answersOf is what each node has answered.
func answersOf(answers []hub.Answer) map[string]string {
	texts := make(map[string]string)
	for _, a := range answers {
		texts[a.Node] = string(a.Data)
		if a.Err != nil {
			texts[a.Node] = a.Err.Error()
		}
	}
	return texts
}

// fromAll is the same answer of all nodes.
func fromAll(hubs []*hub.Hub, answer string) map[string]string {
	texts := make(map[string]string)
	for _, h := range hubs {
		texts[h.Node()] = answer
	}
	return texts
}

func checkCallAll(t *testing.T, hubs []*hub.Hub) {
	for _, h := range hubs {
		answers, err := h.CallAll(t.Context(), "echo", []byte("hello"))
		if err != nil || len(answers) != len(hubs) || !maps.Equal(answersOf(answers), fromAll(hubs, "hello")) {
			t.Errorf("CallAll = %v, %v; want a hello from each of %d", answers, err, len(hubs))
		}
	}
	if answers, err := hubs[0].CallAll(t.Context(), "echo", nil); err != nil || len(answers) != len(hubs) || len(answers[0].Data) > 0 {
		t.Errorf("CallAll without data = %v, %v", answers, err)
	}
}

func checkCallOne(t *testing.T, hubs []*hub.Hub) {
	for _, to := range hubs {
		for _, data := range []string{"hello", "", "\x00\xff<&>", strings.Repeat("x", 700_000)} {
			got, err := hubs[0].Call(t.Context(), to.Node(), "echo", []byte(data))
			if err != nil || string(got) != data {
				t.Errorf("Call with %.10q = %.10q, %v", data, got, err)
			}
		}
	}
}

func checkCallNobody(t *testing.T, hubs []*hub.Hub) {
	for _, node := range []string{"nobody", "", "*", "s"} {
		start := time.Now()
		if got, err := hubs[0].Call(t.Context(), node, "echo", nil); !errors.Is(err, hub.ErrNoAnswer) || time.Since(start) > 500*time.Millisecond {
			t.Errorf("Call to node %q = %q, %v after %s; want ErrNoAnswer at once", node, got, err, time.Since(start))
		}
	}
	if _, err := hubs[0].CallAll(t.Context(), "", nil); err == nil {
		t.Error("a call without a name is taken")
	}
}

func checkCallFails(t *testing.T, hubs []*hub.Hub) {
	last := hubs[len(hubs)-1]
	for name, want := range map[string]string{
		"fail": "no such session", "fail silently": "the call failed",
		"unknown": "node " + last.Node() + ` does not know the call "unknown"`,
		"big":     `signal "": 1398`,
	} {
		got, err := hubs[0].Call(t.Context(), last.Node(), name, nil)
		if err == nil || !strings.HasPrefix(err.Error(), want) || errors.Is(err, hub.ErrNoAnswer) {
			t.Errorf("Call of %q = %q, %v; want the error %q", name, got, err, want)
		}
	}
	answers, err := hubs[0].CallAll(t.Context(), "fail", nil)
	if err != nil || !maps.Equal(answersOf(answers), fromAll(hubs, "no such session")) {
		t.Errorf("CallAll of what fails = %v, %v; want the error of each", answers, err)
	}
}

// One node that is slow keeps nobody from hearing the others.
func checkCallSlow(t *testing.T, hubs []*hub.Hub) {
	start := time.Now()
	answers, err := hubs[0].CallAll(t.Context(), "slow", []byte("x"))
	if d := time.Since(start); !errors.Is(err, hub.ErrNoAnswer) || d < time.Second || d > 2*time.Second {
		t.Errorf("CallAll = %v after %s; want ErrNoAnswer after a second", err, d)
	}
	if !maps.Equal(answersOf(answers), fromAll(hubs[:len(hubs)-1], "x")) {
		t.Errorf("answers are %v, want those of all but the slow one", answersOf(answers))
	}
}

func checkCallTooLarge(t *testing.T, hubs []*hub.Hub) {
	_, err := hubs[0].CallAll(t.Context(), "echo", make([]byte, 1<<20))
	if err == nil || errors.Is(err, hub.ErrNoAnswer) || !strings.Contains(err.Error(), "at most 1048576") {
		t.Errorf("CallAll with 1 MiB = %v, want an error with the limit", err)
	}
}

func checkCallsAtOnce(t *testing.T, hubs []*hub.Hub) {
	var calling sync.WaitGroup
	for i := range 300 {
		calling.Go(func() {
			data := fmt.Sprint(i)
			answers, err := hubs[i%len(hubs)].CallAll(t.Context(), "echo", []byte(data))
			if err != nil || !maps.Equal(answersOf(answers), fromAll(hubs, data)) {
				t.Errorf("call %d: %v, %v", i, answers, err)
			}
		})
	}
	calling.Wait()
}

func checkCallContextEnds(t *testing.T, hubs []*hub.Hub) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := hubs[0].Call(ctx, hubs[len(hubs)-1].Node(), "slow", nil)
	if !errors.Is(err, hub.ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 800*time.Millisecond {
		t.Errorf("Call = %v after %s, want that nobody answered before the context ended", err, time.Since(start))
	}
}

// More calls than a node takes are not answered, and it goes on with those it has.
func TestCallsOverTheLimit(t *testing.T) {
	release := make(chan struct{})
	h := startWith(t, hub.NewMemoryBroker(), func(h *hub.Hub) {
		h.HandleCall("wait", func(ctx context.Context, _ []byte) ([]byte, error) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil, nil
		})
	})
	var mu sync.Mutex
	answered, refused := 0, 0
	var calling sync.WaitGroup
	for range 1500 {
		calling.Go(func() {
			_, err := h.CallAll(t.Context(), "wait", nil)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				answered++
			} else if errors.Is(err, hub.ErrNoAnswer) {
				refused++
			}
		})
	}
	time.Sleep(300 * time.Millisecond) // until all have called
	close(release)
	calling.Wait()
	if answered != 1024 || refused != 476 {
		t.Errorf("%d calls were answered and %d not, want 1024 and 476", answered, refused)
	}
}

// What others publish where nodes talk to one another is dropped and logged, and
// does no harm.
func TestForeignSignals(t *testing.T) {
	r := hubtest.Redis(t)
	var log lockedBuffer
	h, _ := hubtest.Run(t, hub.Options{
		Broker: redisBroker(t, hub.RedisOptions{URL: r.URL()}),
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	waitReady(t, h, hubtest.Patience)
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
	near := answering(t, 1, func() hub.Broker { return redisBroker(t, hub.RedisOptions{URL: r.URL()}) })[0]
	far := answering(t, 1, func() hub.Broker { return redisBroker(t, hub.RedisOptions{URL: "redis://" + proxy.Addr()}) })[0]
	both := []*hub.Hub{near, far}
	checkCallAll(t, both)
	proxy.Refuse(true)
	proxy.Cut()
	if _, err := far.CallAll(t.Context(), "echo", nil); !errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("CallAll without Redis = %v, want ErrUnavailable", err)
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		answers, err := near.CallAll(t.Context(), "echo", []byte("x"))
		return err == nil && maps.Equal(answersOf(answers), fromAll(both[:1], "x"))
	}, "the others call those who are there")
	if _, err := near.Call(t.Context(), far.Node(), "echo", nil); !errors.Is(err, hub.ErrNoAnswer) {
		t.Errorf("Call of a node that is away = %v, want ErrNoAnswer", err)
	}
	proxy.Refuse(false)
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		answers, err := far.CallAll(t.Context(), "echo", []byte("x"))
		return err == nil && maps.Equal(answersOf(answers), fromAll(both, "x"))
	}, "who is back calls everybody")
	checkCallAll(t, both)
	if nodes := []string{near.Node(), far.Node()}; slices.Contains(nodes, "") || nodes[0] == nodes[1] {
		t.Errorf("the nodes are called %q", nodes)
	}
}
