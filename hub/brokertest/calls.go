package brokertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

var callChecks = []check{
	{"all", checkCallAll},
	{"one", checkCallOne},
	{"nobody", checkCallNobody},
	{"failures", checkCallFails},
	{"slow", checkCallSlow},
	{"too large", checkCallTooLarge},
	{"at once", checkCallsAtOnce},
	{"context ends", checkCallContextEnds},
}

// answering makes three nodes that answer calls; only the last does not answer some
// before the test ends.
func answering(t *testing.T, s Setup) []*hub.Hub {
	t.Helper()
	last, over := 2, make(chan struct{})
	if s.Alone {
		last = 0
	}
	hubs := s.distinct(t, 3, nil, func(i int, h *hub.Hub) {
		h.HandleCall("echo", func(_ context.Context, data []byte) ([]byte, error) { return data, nil })
		h.HandleCall("fail", func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no such session") })
		h.HandleCall("fail silently", func(context.Context, []byte) ([]byte, error) { return nil, errors.New("") })
		h.HandleCall("big", func(context.Context, []byte) ([]byte, error) { return make([]byte, 1<<20), nil })
		h.HandleCall("slow", func(_ context.Context, data []byte) ([]byte, error) {
			if i == last {
				<-over
			}
			return data, nil
		})
	})
	t.Cleanup(func() { close(over) }) // before the nodes stop, which wait for their answers
	return hubs
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

func checkCallAll(t *testing.T, s Setup) {
	hubs := answering(t, s)
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

func checkCallOne(t *testing.T, s Setup) {
	hubs := answering(t, s)
	for _, to := range hubs {
		for _, data := range []string{"hello", "", "\x00\xff<&>", strings.Repeat("x", 700_000)} {
			got, err := hubs[0].Call(t.Context(), to.Node(), "echo", []byte(data))
			if err != nil || string(got) != data {
				t.Errorf("Call with %.10q = %.10q, %v", data, got, err)
			}
		}
	}
}

// A node that does not exist is not waited for.
func checkCallNobody(t *testing.T, s Setup) {
	hubs := answering(t, s)
	for _, node := range []string{"nobody", "", "*", "s"} {
		if got, err := hubs[0].Call(t.Context(), node, "echo", nil); !errors.Is(err, hub.ErrNoNode) {
			t.Errorf("Call to node %q = %q, %v; want ErrNoNode", node, got, err)
		}
	}
	if _, err := hubs[0].CallAll(t.Context(), "", nil); err == nil {
		t.Error("a call without a name is taken")
	}
}

func checkCallFails(t *testing.T, s Setup) {
	hubs := answering(t, s)
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

// One node that is slow keeps nobody from hearing the others, once the caller has
// waited long enough for them.
func checkCallSlow(t *testing.T, s Setup) {
	hubs := answering(t, s)
	want := fromAll(hubs[:len(hubs)-1], "x")
	for wait := 100 * time.Millisecond; wait < hubtest.Patience; wait *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		answers, err := hubs[0].CallAll(ctx, "slow", []byte("x"))
		cancel()
		if !errors.Is(err, hub.ErrNoAnswer) && !errors.Is(err, hub.ErrUnavailable) {
			t.Fatalf("CallAll = %v, %v; want an error that says that not all have answered", answersOf(answers), err)
		}
		if maps.Equal(answersOf(answers), want) {
			return
		}
	}
	t.Errorf("never came the answers of all but the slow one, %v", want)
}

func checkCallTooLarge(t *testing.T, s Setup) {
	hubs := answering(t, s)
	_, err := hubs[0].CallAll(t.Context(), "echo", make([]byte, 1<<20))
	if err == nil || errors.Is(err, hub.ErrNoAnswer) || !strings.Contains(err.Error(), "at most 1048576") {
		t.Errorf("CallAll with 1 MiB = %v, want an error with the limit", err)
	}
}

func checkCallsAtOnce(t *testing.T, s Setup) {
	hubs := answering(t, s)
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

// Who calls waits no longer than its context, however long nodes may take.
func checkCallContextEnds(t *testing.T, s Setup) {
	hubs := answering(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := hubs[0].Call(ctx, hubs[len(hubs)-1].Node(), "slow", nil)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > hubtest.Soon {
		t.Errorf("Call = %v after %s, want that the context ended", err, time.Since(start))
	}
}
