package web_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

// The histories that are read here: too much for one answer, or for ten.
const (
	filledChannels = 32
	filledMessages = 20
	filledSize     = 60_000
)

// newFilledServer has a history in many channels, and returns the query for all and
// a cursor from before the first messages.
func newFilledServer(t *testing.T) (s *testServer, query, cursor string) {
	s = newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Rules: hub.Rules{{Match: "*", ServerPublish: true, History: hub.History{Size: 100, TTL: time.Hour}}}})
	})
	var places []place
	var wanted []string
	data := fmt.Appendf(nil, "%q", strings.Repeat("x", filledSize))
	for i := range filledChannels {
		name := fmt.Sprint("c", i)
		var at hub.Position
		for range filledMessages {
			r, err := s.hub.Publish(t.Context(), name, &hub.Message{Data: data}, hub.PublishOptions{})
			if err != nil {
				t.Fatal(err)
			}
			at = r.Position
		}
		wanted, places = append(wanted, "channel="+name), append(places, place{name, at.Epoch, 0})
	}
	return s, strings.Join(wanted, "&"), cursorOf(places...)
}

// heard counts the messages of each channel, which come in their order.
type heard map[string]int

func (h heard) take(t *testing.T, text string) {
	t.Helper()
	for part := range strings.SplitSeq(text, `{"channel":"`) {
		channel, rest, ok := strings.Cut(part, `"`)
		if !ok || !strings.HasPrefix(channel, "c") || !strings.Contains(rest, "xxx") {
			continue
		}
		h[channel]++
		if want := fmt.Sprintf(`"offset":%d}`, h[channel]); !strings.Contains(rest, want) {
			t.Fatalf("%s: message %d ends %q", channel, h[channel], rest[max(0, len(rest)-60):])
		}
	}
}

func (h heard) total() (n int) {
	for _, m := range h {
		n += m
	}
	return n
}

// TestEventsStreamIsBounded follows many channels from an old cursor: each stream has
// a part of what was missed, half of limits.buffer at most, and sends its client back
// at once for the next part.
func TestEventsStreamIsBounded(t *testing.T) {
	t.Parallel()
	eachHTTP(t, func(t *testing.T, client *http.Client) {
		s, query, at := newFilledServer(t)
		s.client = client
		all, streams := heard{}, 0
		for ; all.total() < filledChannels*filledMessages; streams++ {
			l, size := s.listen(t, query, "Last-Event-ID", at).opens(), 0
			for {
				block := l.block()
				size += len(block)
				all.take(t, block)
				if id, ok := strings.CutPrefix(block, "id: "); ok {
					at, _, _ = strings.Cut(id, "\n")
				}
				if block == ": there is more\nretry: 0\n\n" || all.total() == filledChannels*filledMessages {
					break
				}
				if block == "" || strings.Contains(block, "gap") {
					t.Fatalf("stream %d has %q", streams, block)
				}
			}
			if size > 512<<10 {
				t.Errorf("stream %d has %d bytes", streams, size)
			}
			l.quit()
		}
		if streams < 70 || streams > 100 {
			t.Errorf("everything came in %d streams", streams)
		}
	})
}

// TestEventsPollIsBounded does the same with polls, whose answers have limits.buffer.
func TestEventsPollIsBounded(t *testing.T) {
	t.Parallel()
	s, query, at := newFilledServer(t)
	all, polls, away := heard{}, 0, 0
	for ; all.total() < filledChannels*filledMessages; polls++ {
		status, body := s.poll(t, query+"&cursor="+at)
		if status == 503 && away < 100 { // a busy machine; whoever polls comes again
			polls, away = polls-1, away+1
			continue
		}
		if status != 200 || len(body) > 1<<20+2<<10 || strings.Contains(body, `"gap"`) {
			t.Fatalf("poll %d: %d with %d bytes", polls, status, len(body))
		}
		all.take(t, body)
		_, at, _ = strings.Cut(body, `"cursor":"`)
		at, _, _ = strings.Cut(at, `"`)
	}
	if polls < 35 || polls > 50 {
		t.Errorf("everything came in %d polls", polls)
	}
}

// TestEventsOfLargeMessages has messages as large as the allowance in two channels:
// each is sent alone, and keeps nobody from going on.
func TestEventsOfLargeMessages(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Rules: hub.Rules{{Match: "*", ServerPublish: true, History: hub.History{Size: 100, TTL: time.Hour}}}})
		o.Limits.Buffer = 1 << 20
	})
	data := fmt.Appendf(nil, "%q", strings.Repeat("x", 1<<20-2))
	var at string
	for _, name := range []string{"c1", "c2"} {
		r, err := s.hub.Publish(t.Context(), name, &hub.Message{Data: data}, hub.PublishOptions{})
		if err != nil {
			t.Fatal(err)
		}
		at = cursorOf(place{"c1", s.epoch(t, "c1"), 0}, place{"c2", r.Position.Epoch, 0})
	}
	all := heard{}
	for part := range 2 {
		l := s.listen(t, "channel=c1&channel=c2", "Last-Event-ID", at).opens()
		for all.total() == part {
			block := l.block()
			if block == "" || strings.Contains(block, "retry") {
				t.Fatalf("part %d: %q", part, block)
			}
			all.take(t, block)
			if id, ok := strings.CutPrefix(block, "id: "); ok {
				at, _, _ = strings.Cut(id, "\n")
			}
		}
		l.quit()
	}
	if n := s.web.NumEvicted(); n != 0 {
		t.Errorf("%d were evicted", n)
	}
}

// gated is a broker at which subscribing to a channel takes until the gate is opened.
type gated struct {
	*hub.MemoryBroker
	slow          string
	asked, opened chan struct{}
}

func (b *gated) Subscribe(ctx context.Context, channel string) error {
	if channel == b.slow {
		close(b.asked)
		<-b.opened
	}
	return b.MemoryBroker.Subscribe(ctx, channel)
}

// TestEventsPollHoldsLittle has a poll wait for the last of its channels, while much
// comes on the others: together they keep what one client may have waiting.
func TestEventsPollHoldsLittle(t *testing.T) {
	const channels, size = 30, 900_000
	b := &gated{hub.NewMemoryBroker(), "slow", make(chan struct{}), make(chan struct{})}
	s := newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Broker: b, Rules: hub.Rules{{Match: "*", ServerPublish: true}}})
	})
	var names []string
	for i := range channels {
		names = append(names, fmt.Sprint("channel=c", i))
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = s.poll(t, strings.Join(names, "&")+"&channel=slow") // it may have waited for too long
	}()
	<-b.asked
	before := heap()
	for i := range channels {
		m := &hub.Message{Data: fmt.Appendf(nil, "%q", strings.Repeat("x", size))}
		if _, err := s.hub.Publish(t.Context(), fmt.Sprint("c", i), m, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.settle(t, channels)
	if kept := heap() - before; kept > 8<<20 {
		t.Errorf("%d KiB are kept for a poll that has not begun, of %d", kept>>10, channels*size>>10)
	}
	close(b.opened)
	<-answered
}

// settle returns when the rounds of so many channels have ended.
func (s *testServer) settle(t *testing.T, channels int) {
	t.Helper()
	for i := range channels {
		r := hubtest.Listen(t, s.hub, fmt.Sprint("c", i), "r")
		hubtest.Publish(t, s.hub, fmt.Sprint("c", i), "last")
		r.Want(t, "last")
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
