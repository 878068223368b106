package load

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub/hubtest"
)

// mustRun runs and wants a report.
func mustRun(t *testing.T, o Options) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
	defer cancel()
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// runUntil runs against a server that loses messages, until so many deliveries
// have come and the server has no more to publish: the run itself would wait for
// those that are lost.
func (s *fakeServer) runUntil(t *testing.T, o Options, delivered int64) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
	defer cancel()
	o.Progress = func(p Progress) {
		if p.Phase == "loading" && p.Done >= delivered && s.published.Load() == int64(o.total()) {
			cancel()
		}
	}
	r, err := Run(ctx, o)
	if r == nil {
		t.Fatal(err)
	}
	return r
}

// TestGoodServer counts all and nothing twice, whatever the way.
func TestGoodServer(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		protocol Protocol
		change   func(*Options)
	}{
		{"raw", Raw, func(*Options) {}},
		{"centrifuge", Centrifuge, func(*Options) {}},
		{"raw, published over connections", Raw, func(o *Options) { o.PublishURL = "" }},
		{"centrifuge, published over connections", Centrifuge, func(o *Options) { o.PublishURL = "" }},
		{"long messages", Raw, func(o *Options) { o.Size = 70_000; o.Messages = 6 }},
		{"shortest messages", Raw, func(o *Options) { o.Size = MinSize }},
		{"one channel, more publishers than messages", Raw, func(o *Options) { o.Channels, o.Publishers, o.Messages = 1, 5, 3 }},
		{"events", Raw, func(o *Options) { o.Transport = Events }},
		{"stream", Raw, func(o *Options) { o.Transport = Stream }},
		{"stream, long messages", Raw, func(o *Options) { o.Transport, o.Size, o.Messages = Stream, 70_000, 6 }},
		{"poll", Raw, func(o *Options) { o.Transport = Poll }},
		{"poll, long messages", Raw, func(o *Options) { o.Transport, o.Size, o.Messages = Poll, 70_000, 6 }},
		{"by duration", Raw, func(o *Options) { o.Messages, o.Duration = 0, 100*time.Millisecond }},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newFakeServer(t)
			o := s.options(tc.protocol)
			tc.change(&o)
			r := mustRun(t, o)
			if n := s.goodbyes.Load(); o.Transport.OverHTTP() && n != int64(o.Subscribers) {
				t.Errorf("%d of %d sessions have said goodbye", n, o.Subscribers)
			}
			want := int64(o.total() * o.Subscribers / o.Channels)
			if !r.OK() || r.Delivered != want || r.Expected != want || r.Published != int64(o.total()) {
				t.Errorf("want %d deliveries; got %+v", want, r)
			}
			if l := r.Latency; l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max || len(l.Bars) == 0 {
				t.Errorf("latency %+v", l)
			}
		})
	}
}

// TestTokens shows each token as often as another, and each once for a connection.
func TestTokens(t *testing.T) {
	t.Parallel()
	for _, protocol := range []Protocol{Raw, Centrifuge} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			s := newFakeServer(t)
			o := s.options(protocol)
			o.Tokens, o.AtOnce = []string{"one", "two", "three"}, o.Subscribers
			want := int64(o.Subscribers / len(o.Tokens))
			if protocol == Centrifuge {
				o.Churn = len(o.Tokens) * opsPerChurner
				want++
			}
			if r := mustRun(t, o); !r.OK() || r.Connect == nil || r.Connect.P50 <= 0 {
				t.Errorf("got %+v", r)
			}
			for _, token := range o.Tokens {
				if n, ok := s.tokens.Load(token); !ok || n.(*atomic.Int64).Load() != want {
					t.Errorf("token %s was shown %v times, want %d", token, n, want)
				}
			}
		})
	}
}

// TestBadServer counts what a server does wrong. A connection gets 40 messages,
// 12 connections 480.
func TestBadServer(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name                        string
		mangle                      func() func(n int, text string) []string
		delivered, lost, dup, order int64
	}{
		{"loses one of ten", func() func(int, string) []string {
			return func(n int, text string) []string {
				if n%10 == 0 {
					return nil
				}
				return []string{text}
			}
		}, 432, 48, 0, 0},
		{"sends one of twenty twice", func() func(int, string) []string {
			return func(n int, text string) []string {
				if n%20 == 10 { // not the last: the run would be over before the second came
					return []string{text, text}
				}
				return []string{text}
			}
		}, 480, 0, 24, 0},
		{"sends 7 after 9", func() func(int, string) []string {
			var held string
			return func(n int, text string) []string {
				switch n {
				case 7:
					held = text
					return nil
				case 9:
					return []string{text, held}
				}
				return []string{text}
			}
		}, 480, 0, 0, 12},
		{"loses the last", func() func(int, string) []string {
			return func(n int, text string) []string {
				if n == 40 {
					return nil
				}
				return []string{text}
			}
		}, 468, 12, 0, 0},
		{"sends nothing", func() func(int, string) []string { return func(int, string) []string { return nil } }, 0, 480, 0, 0},
	}
	for _, tc := range cases {
		for _, transport := range []Transport{WebSocket, Events, Stream, Poll} {
			t.Run(tc.name+", "+string(transport), func(t *testing.T) {
				t.Parallel()
				s := newFakeServer(t)
				s.mangle = tc.mangle()
				o := s.options(Raw)
				o.Publishers, o.Transport = 1, transport
				r := s.runUntil(t, o, tc.delivered)
				if r.OK() || r.Transport != transport || r.Delivered != tc.delivered || r.Lost != tc.lost || r.Duplicated != tc.dup || r.OutOfOrder != tc.order {
					t.Errorf("%s: delivered %d, lost %d, duplicated %d, out of order %d; want %d, %d, %d, %d",
						r.Transport, r.Delivered, r.Lost, r.Duplicated, r.OutOfOrder, tc.delivered, tc.lost, tc.dup, tc.order)
				}
			})
		}
	}
}

func TestServerThatHangsUp(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.mangle = func(n int, text string) []string {
		if n == 30 {
			s.CloseClientConnections()
		}
		return []string{text}
	}
	o := s.options(Raw)
	o.Patience = 200 * time.Millisecond
	if r, err := Run(t.Context(), o); err == nil && r.OK() {
		t.Errorf("got %+v", r)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		change func(*fakeServer, *Options)
		want   string
	}{
		{"publishing", func(s *fakeServer, _ *Options) { s.status = http.StatusUnauthorized }, "publishing is refused: 401 Unauthorized not for you"},
		{"handshake", func(s *fakeServer, o *Options) { o.SocketURL = strings.Replace(o.SocketURL, "/ws/", "/w/", 1) }, "404 Not Found to a WebSocket handshake at /w/c-"},
		{"nobody there", func(s *fakeServer, _ *Options) { s.Close() }, "connection refused"},
		{"another machine", func(_ *fakeServer, o *Options) { o.SocketURL = "ws://192.0.2.1/{channel}" }, "another machine: with --allow-remote"},
		{"publishing to another machine", func(_ *fakeServer, o *Options) { o.PublishURL = "http://192.0.2.1/" }, "another machine"},
		{"no scheme to publish", func(_ *fakeServer, o *Options) { o.PublishURL = "ws://127.0.0.1/" }, "begins with http://"},
		{"no channel in the URL", func(s *fakeServer, o *Options) { o.SocketURL = "ws://127.0.0.1/" }, "want {channel}"},
		{"size", func(_ *fakeServer, o *Options) { o.Size = 1 }, "size: 1; want 38 to"},
		{"all stall", func(_ *fakeServer, o *Options) { o.Stall = 12 }, "stall: 12; want 0 to 9"},
		{"churn over raw", func(_ *fakeServer, o *Options) { o.Churn = 1 }, "churn: "},
		{"no transport", func(_ *fakeServer, o *Options) { o.Transport = "pigeon" }, `transport: "pigeon"; want websocket, events, stream or poll`},
		{"centrifuge over poll", func(_ *fakeServer, o *Options) { o.Transport, o.Protocol = Poll, Centrifuge }, "protocol: over the transport poll it has to be raw"},
		{"publishing over streams", func(_ *fakeServer, o *Options) { o.Transport, o.PublishURL = Stream, "" }, "publishing: over subscribers' connections"},
		{"no such endpoint", func(s *fakeServer, o *Options) {
			o.Transport, o.SocketURL = Stream, strings.Replace(o.SocketURL, "/ws/", "/w/", 1)
		}, "404 Not Found to via=stream at /w/c-"},
		{"nothing to do", func(_ *fakeServer, o *Options) { o.Rate, o.Messages = 0, 0 }, "nothing to do"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newFakeServer(t)
			o := s.options(Raw)
			tc.change(s, &o)
			if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v; want %q in it", err, tc.want)
			}
		})
	}
}

func TestStall(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.most = 300
	o := s.options(Raw)
	o.Channels, o.Publishers, o.Subscribers, o.Stall = 1, 1, 3, 1
	o.Size, o.Messages, o.Rate = 8192, 500, 1000
	r := mustRun(t, o)
	if !r.OK() || r.Delivered != 1000 || r.Stalled == nil || r.Stalled.Evicted != 1 {
		t.Errorf("got %+v, stalled %+v", r, r.Stalled)
	}
}

func TestStallNotNoticed(t *testing.T) {
	t.Parallel()
	o := newFakeServer(t).options(Raw)
	o.Stall, o.Messages = 2, 30
	if r := mustRun(t, o); !r.OK() || r.Delivered != 100 || r.Stalled.Evicted != 0 {
		t.Errorf("got %+v, stalled %+v", r, r.Stalled)
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	o := s.options(Centrifuge)
	o.Messages, o.Rate, o.Duration = 0, 0, time.Second
	idling := false
	o.Progress = func(p Progress) { idling = idling || p.Phase == "idling" }
	r := mustRun(t, o)
	if !r.OK() || r.Delivered != 0 || r.Latency != nil || r.Seconds < 1 || !idling {
		t.Errorf("got %+v, idling %t", r, idling)
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.pongs.Load() == int64(o.Subscribers) }, "all pings are answered")
}

// TestInterrupt ends a long run early and gets what was counted.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	o := newFakeServer(t).options(Raw)
	o.Messages, o.Duration = 0, time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
	defer cancel()
	o.Progress = func(p Progress) {
		if p.Phase == "loading" && p.Done > 0 {
			cancel()
		}
	}
	r, err := Run(ctx, o)
	if err == nil || r == nil || r.Delivered == 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}
