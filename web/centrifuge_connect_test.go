package web_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"belfry/hub"
	"belfry/web"
)

// newServerSide subscribes every Centrifuge session to two channels.
func newServerSide(t *testing.T) *testServer {
	return newCluster(t, []hub.Broker{hub.NewMemoryBroker()}, func(o *web.Options) {
		o.Subscribe = []string{"news", "off"}
		o.Limits.Subscriptions = 3
	})[0]
}

// subs returns the member subs of a connect result.
func subs(reply string) string {
	_, rest, _ := strings.Cut(hideEpoch(reply), `"subs":`)
	text, _, _ := strings.Cut(rest, `,"ping"`)
	return text
}

func TestServerSideSubscriptions(t *testing.T) {
	s := newServerSide(t)
	for i := range 3 {
		s.publish(t, "news", fmt.Sprint(i+1))
	}
	epoch := s.epoch(t, "news")
	cases := []struct{ name, asked, want string }{
		{"the first time", ``, `{"news":{"recoverable":true,"epoch":"EPOCH","offset":3,"positioned":true},"off":{}}`},
		{"recovered", `"subs":{"news":{"recover":true,"epoch":"` + epoch + `","offset":1}}`,
			`{"news":{"recoverable":true,"epoch":"EPOCH","publications":[{"data":2,"offset":2},{"data":3,"offset":3}],"recovered":true,"offset":1,"positioned":true,"was_recovering":true},"off":{}}`},
		{"recovered from any epoch", `"subs":{"news":{"recover":true,"offset":1}}`,
			`{"news":{"recoverable":true,"epoch":"EPOCH","publications":[{"data":2,"offset":2},{"data":3,"offset":3}],"recovered":true,"offset":1,"positioned":true,"was_recovering":true},"off":{}}`},
		{"not recovered", `"subs":{"news":{"recover":true,"epoch":"_","offset":1}}`,
			`{"news":{"recoverable":true,"epoch":"EPOCH","offset":3,"positioned":true,"was_recovering":true},"off":{}}`},
		{"what nobody offered", `"subs":{"chat":{"recover":true,"offset":1}}`,
			`{"news":{"recoverable":true,"epoch":"EPOCH","offset":3,"positioned":true},"off":{}}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := s.dial(t, "/connection/websocket")
			c.say(`{"id":1,"connect":{` + tc.asked + `}}`)
			if got := subs(c.hear()); got != tc.want {
				t.Errorf("subs\n got %s\nwant %s", got, tc.want)
			}
			s.api(t, "publish", `{"channel":"off","data":"now"}`)
			c.wants(`{"push":{"channel":"off","pub":{"data":"now"}}}`)
			c.say(sub(2, "news") + sub(3, "chat") + sub(4, "chat2") + `{"id":5,"unsubscribe":{"channel":"off"}}` + "\n" + sub(6, "off"))
			c.wants(strings.Join([]string{
				`{"id":2,"error":{"code":105,"message":"already subscribed"}}`,
				`{"id":3,"subscribe":{"recoverable":true,"epoch":"EPOCH","positioned":true}}`,
				`{"id":4,"error":{"code":106,"message":"limit exceeded: limits.subscriptions"}}`,
				`{"id":5,"unsubscribe":{}}`, `{"id":6,"subscribe":{}}`}, "\n"))
		})
	}
}

// forgetfulBroker refuses to say where histories end.
type forgetfulBroker struct{ *hub.MemoryBroker }

func (forgetfulBroker) Positions(context.Context, []string, []hub.Position) ([]hub.Position, error) {
	return nil, fmt.Errorf("%w: secret detail", hub.ErrUnavailable)
}

// TestConnectFails cannot recover one of two server-side subscriptions: the
// client has neither, and may try again.
func TestConnectFails(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Broker: forgetfulBroker{hub.NewMemoryBroker()}, Rules: presenceRules()})
		o.Subscribe = []string{"off", "news"}
	})
	c := s.dial(t, "/connection/websocket")
	for range 2 {
		c.say(`{"id":1,"connect":{"subs":{"news":{"recover":true,"epoch":"e"}}}}`)
		if got := c.hear(); !strings.HasPrefix(got, `{"id":1,"error":{"code":100,`) || !strings.Contains(got, `"temporary":true`) || strings.Contains(got, "secret") {
			t.Errorf("connect: got %s, want a temporary error without detail", got)
		}
		if n := s.hub.NumSubscribers("off"); n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
	}
	c.say(`{"id":2,"connect":{}}`)
	if got := subs(c.hear()); got != `{"news":{},"off":{}}` {
		t.Errorf("subs without recovery: %s", got)
	}
}

// forgottenBroker has lost all it knew when it is told to.
type forgottenBroker struct {
	*hub.MemoryBroker
	lost atomic.Bool
}

func (b *forgottenBroker) now() hub.Position { return hub.Position{Epoch: "another", Offset: 7} }

func (b *forgottenBroker) History(ctx context.Context, channel string, o hub.HistoryOptions) (hub.HistoryResult, error) {
	if b.lost.Load() {
		return hub.HistoryResult{Position: b.now()}, nil
	}
	return b.MemoryBroker.History(ctx, channel, o)
}

func (b *forgottenBroker) Positions(ctx context.Context, channels []string, seen []hub.Position) ([]hub.Position, error) {
	if b.lost.Load() {
		return slices.Repeat([]hub.Position{b.now()}, len(channels)), nil
	}
	return b.MemoryBroker.Positions(ctx, channels, seen)
}

// TestGapWithoutHistory has the node miss messages of a channel that keeps none: who
// asked for it subscribes again, so that the site hears of it, and goes on.
func TestGapWithoutHistory(t *testing.T) {
	s := newCluster(t, []hub.Broker{hub.NewMemoryBroker()})[0]
	c := s.dialCentrifuge(t)
	c.say(sub(2, "off"))
	c.wants(`{"id":2,"subscribe":{}}`)
	s.hub.HandleGap([]string{"off"})
	c.wants(`{"push":{"channel":"off","unsubscribe":{"code":2500,"reason":"insufficient state"}}}`)
	c.say(sub(3, "off"))
	c.wants(`{"id":3,"subscribe":{}}`)
	s.call(t, "/api/publish", `{"channel":"off","data":1}`, "X-API-Key", testKey)
	c.wants(`{"push":{"channel":"off","pub":{"data":1}}}`)
}

// TestLoss loses messages for good: who asked for the channel is to subscribe
// again, and who was subscribed by the server has to connect again.
func TestLoss(t *testing.T) {
	broker := &forgottenBroker{MemoryBroker: hub.NewMemoryBroker()}
	s := newCluster(t, []hub.Broker{broker}, func(o *web.Options) { o.Subscribe = []string{"news"} })[0]
	served, other := s.dialCentrifuge(t), s.dialCentrifuge(t)
	other.say(`{"id":2,"unsubscribe":{"channel":"news"}}` + "\n" + sub(3, "news"))
	other.hear()
	broker.lost.Store(true)
	s.hub.HandleGap([]string{"news"})
	other.wants(`{"push":{"channel":"news","unsubscribe":{"code":2500,"reason":"insufficient state"}}}`)
	other.say(sub(4, "news"))
	other.wants(`{"id":4,"subscribe":{"recoverable":true,"epoch":"EPOCH","offset":7,"positioned":true}}`)
	if code, reason := served.closed(); code != 3010 || reason != "insufficient state" {
		t.Errorf("closed with %d %q, want 3010", code, reason)
	}
}
