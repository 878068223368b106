package web_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

// TestCarryDeafClientIsEvicted has clients that do not read, or read and do not
// acknowledge. They are evicted at their bound, while another misses nothing.
func TestCarryDeafClientIsEvicted(t *testing.T) {
	t.Parallel()
	const buffer, slack, size = 256 << 10, 128 << 10, 50 << 10
	text := strings.Repeat("x", size)
	for _, kind := range []string{"away", "deaf stream", "stream without acknowledgement"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newTestServer(t, func(o *web.Options) { o.Limits.Buffer = buffer })
			native := s.dial(t, "/ws/news")
			var name string
			switch kind {
			case "away":
				name = s.beginLink(t, "poll", "/ws/news", "").open()
			case "deaf stream":
				fmt.Fprintf(s.dialDeaf(t), "GET /ws/news?via=events HTTP/1.1\r\nHost: x\r\n\r\n")
			default:
				r := s.beginLink(t, "stream", "/ws/news", "")
				name = r.open()
				defer func() {
					for err := error(nil); err == nil; {
						_, err = r.line()
					}
				}()
			}
			hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("news") == 2 }, "two subscribers")
			sent := 0
			for ; s.web.NumEvicted() == 0 && sent < 100; sent++ {
				hubtest.Publish(t, s.hub, "news", `"`+text+`"`)
				native.hear()
			}
			if most := (buffer+slack)/size + 2; s.web.NumEvicted() != 1 || sent > most || sent < buffer/size {
				t.Errorf("%d evicted after %d messages of 50 KiB, want 1 after %d to %d", s.web.NumEvicted(), sent, buffer/size, most)
			}
			if kind == "away" {
				s.beginLink(t, "poll", "/ws/news", "&session="+name).wants(`["close",1008,"too slow: the buffer limit (limits.buffer) is reached"]`)
			}
			s.publish(t, "news", `"after"`)
			if got := native.hear(); got != "after" {
				t.Errorf("the other heard %.20q", got)
			}
		})
	}
}

// TestCarryAcknowledge has a client that is far more behind than its bound, and
// acknowledges on the way.
func TestCarryAcknowledge(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { o.Limits.Buffer = 64 << 10 })
	c := s.openLink(t, "stream", "/ws/news")
	text := strings.Repeat("x", 30<<10)
	for i := range 100 {
		s.publish(t, "news", fmt.Sprintf("%q", text))
		c.hear()
		if i%2 == 1 {
			c.post(1, "")
		}
	}
	if n := s.web.NumEvicted(); n != 0 {
		t.Errorf("%d evicted", n)
	}
}

// TestCarryOneLargeMessage is larger than the bound, and comes all the same.
func TestCarryOneLargeMessage(t *testing.T) {
	t.Parallel()
	for _, via := range vias {
		s := newTestServer(t, func(o *web.Options) { o.Limits.Buffer = 64 << 10 })
		c := s.openLink(t, via, "/ws/news")
		text := strings.Repeat("x", 900<<10)
		s.publish(t, "news", fmt.Sprintf("%q", text))
		if got := c.hear(); got != text {
			t.Errorf("%s: heard %d bytes, want %d", via, len(got), len(text))
		}
	}
}

// TestCarryAcknowledgedUnread has a client that acknowledges what it has not read. It
// is cut off, or what it does not read would gather without bound.
func TestCarryAcknowledgedUnread(t *testing.T) {
	inBubble(t, func(t *testing.T, s *web.Server, h *hub.Hub) {
		in := openStream(t, s, "/ws/chat?via=events", true)
		name := strings.Split(in.line(), `"`)[3]
		text := strings.Repeat("x", 64<<10)
		for i := range 100 {
			publishText(t, h, text)
			synctest.Wait()
			if w := ask(t, s, "POST", fmt.Sprintf("/ws/chat?via=send&session=%s&got=%d", name, i+1)); w.Code != 200 {
				t.Fatalf("message %d: %d %s", i, w.Code, w.Body)
			}
		}
		if line := in.line(); line != "end" {
			t.Errorf("after 6.4 MB of nothing read, %.20q goes on", line)
		}
		if n := s.NumSessions(); n != 1 {
			t.Errorf("%d sessions, want the one that may go on", n)
		}
	})
}
