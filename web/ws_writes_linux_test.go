package web_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// numWrites is how many write system calls this process has made.
func numWrites(t *testing.T) (n int) {
	t.Helper()
	counters, err := os.ReadFile("/proc/self/io")
	if err != nil {
		hubtest.Skip(t, err.Error())
	}
	_, after, _ := strings.Cut(string(counters), "syscw: ")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatalf("%s: %v", counters, err)
	}
	return n
}

// TestOneWriteForEachSubscriber counts system calls: a message costs one write
// for each subscriber, on every transport, and little else.
func TestOneWriteForEachSubscriber(t *testing.T) {
	const subscribers, messages = 60, 20
	s := newTestServer(t, withLegacy)
	dials := map[string]func() func() string{
		"WebSocket": func() func() string { return s.dial(t, "/ws/news").hear },
		"hixie-75":  func() func() string { return s.dialHixie(t, 0, "/ws/news").hearOne },
		"hixie-76":  func() func() string { return s.dialHixie(t, 1, "/ws/news").hearOne },
	}
	hears := make(map[string][]func() string)
	for transport, dial := range dials {
		for range subscribers / len(dials) {
			hears[transport] = append(hears[transport], dial())
		}
	}
	before := numWrites(t)
	for i := range messages {
		text := fmt.Sprint("message ", i)
		m := &hub.Message{Data: fmt.Appendf(nil, "%q", text)}
		if _, err := s.hub.Publish(t.Context(), "news", m, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
		for transport, all := range hears { // before the next, so that no two share a write
			for _, hear := range all {
				if got := hear(); got != text {
					t.Fatalf("%s: got %q, want %q", transport, got, text)
				}
			}
		}
	}
	got := numWrites(t) - before
	t.Logf("%d writes", got)
	// The runtime wakes itself by writing now and then.
	if want := subscribers * messages; got < want || got > want+want/10 {
		t.Errorf("%d writes for %d deliveries", got, want)
	}
}

func (c *hixieClient) hearOne() string {
	c.t.Helper()
	text, err := c.hear()
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}
