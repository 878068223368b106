package web_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/hub"
	"belfry/web"
)

// newRememberingServer has a history of three messages on every channel but
// those that begin with "off".
func newRememberingServer(t *testing.T) *testServer {
	return newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Rules: hub.Rules{
			{Match: "off*", ServerPublish: true},
			{Match: "*", ServerPublish: true, ClientPublish: true, History: hub.History{Size: 3, TTL: time.Minute}},
		}})
	})
}

// epoch is the run of numbering that a channel has, as a backend sees it.
func (s *testServer) epoch(t *testing.T, channel string) string {
	t.Helper()
	_, answer := s.call(t, "/api/history", fmt.Sprintf(`{"channel":%q}`, channel), "X-API-Key", testKey)
	result, _ := answer["result"].(map[string]any)
	epoch, _ := result["epoch"].(string)
	if epoch == "" {
		t.Fatalf("history: %v has no epoch", answer)
	}
	return epoch
}

// TestCentrifugeRecovery subscribes with a position, after five messages of which
// three are remembered.
func TestCentrifugeRecovery(t *testing.T) {
	s := newRememberingServer(t)
	for i := range 5 {
		s.publish(t, "news", fmt.Sprint(i+1))
	}
	epoch := s.epoch(t, "news")
	cases := []struct{ name, ask, hear string }{
		{"no position", `"channel":"news"`, `"recoverable":true,"epoch":"EPOCH","offset":5,"positioned":true`},
		{"missed two", `"channel":"news","recover":true,"epoch":"EPOCH","offset":3`,
			`"recoverable":true,"epoch":"EPOCH","publications":[{"data":4,"offset":4},{"data":5,"offset":5}],"recovered":true,"offset":3,"positioned":true,"was_recovering":true`},
		{"missed nothing", `"channel":"news","recover":true,"epoch":"EPOCH","offset":5`,
			`"recoverable":true,"epoch":"EPOCH","recovered":true,"offset":5,"positioned":true,"was_recovering":true`},
		{"missed too much", `"channel":"news","recover":true,"epoch":"EPOCH","offset":1`,
			`"recoverable":true,"epoch":"EPOCH","offset":5,"positioned":true,"was_recovering":true`},
		{"another epoch", `"channel":"news","recover":true,"epoch":"old","offset":4`,
			`"recoverable":true,"epoch":"EPOCH","offset":5,"positioned":true,"was_recovering":true`},
		{"the future", `"channel":"news","recover":true,"epoch":"EPOCH","offset":9`,
			`"recoverable":true,"epoch":"EPOCH","offset":5,"positioned":true,"was_recovering":true`},
		{"missed two of any epoch", `"channel":"news","recover":true,"offset":3`,
			`"recoverable":true,"epoch":"EPOCH","publications":[{"data":4,"offset":4},{"data":5,"offset":5}],"recovered":true,"offset":3,"positioned":true,"was_recovering":true`},
		{"missed nothing of any epoch", `"channel":"news","recover":true,"offset":5,"flag":3`,
			`"recoverable":true,"epoch":"EPOCH","recovered":true,"offset":5,"positioned":true,"was_recovering":true`},
		{"missed too much of any epoch", `"channel":"news","recover":true,"offset":1`,
			`"recoverable":true,"epoch":"EPOCH","offset":5,"positioned":true,"was_recovering":true`},
		{"the future of any epoch", `"channel":"news","recover":true,"epoch":"","offset":9`,
			`"recoverable":true,"epoch":"EPOCH","offset":5,"positioned":true,"was_recovering":true`},
		{"no history", `"channel":"off","recover":true,"epoch":"EPOCH","offset":1`, `"was_recovering":true`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := s.dialCentrifuge(t)
			c.say(`{"id":2,"subscribe":{` + strings.ReplaceAll(tc.ask, "EPOCH", epoch) + `}}`)
			want := `{"id":2,"subscribe":{` + strings.ReplaceAll(tc.hear, "EPOCH", epoch) + `}}`
			if diff := cmp.Diff(want, c.hear()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, position := range []string{`"epoch":"old","offset":4`, `"epoch":"` + epoch + `","offset":6`, `"epoch":"` + epoch + `","offset":1`} {
		t.Run("refuse "+position, func(t *testing.T) {
			c := s.dialCentrifuge(t)
			c.say(`{"id":2,"subscribe":{"channel":"news","recover":true,` + position + `,"flag":2}}` + "\n" + sub(3, "news"))
			if got := c.hear(); !strings.HasPrefix(got, `{"id":2,"error":{"code":112,"message":"unrecoverable position"}}`+"\n"+`{"id":3,"subscribe":{`) {
				t.Errorf("got %s, want error 112 and then a subscription", got)
			}
		})
	}
}

func TestHistoryCalls(t *testing.T) {
	s := newRememberingServer(t)
	for i := range 5 {
		s.publish(t, "news", fmt.Sprint(i+1))
	}
	s.call(t, "/api/publish", `{"channel":"news","data":"passing","skip_history":true}`, "X-API-Key", testKey)
	epoch := s.epoch(t, "news")
	cases := []struct {
		name, body string
		status     int
		want       string
	}{
		{"position", `{"channel":"news"}`, 200, `{"result":{"epoch":"EPOCH","offset":5,"publications":[]}}`},
		{"all", `{"channel":"news","limit":-1}`, 200, `{"result":{"epoch":"EPOCH","offset":5,"publications":[{"data":3,"offset":3},{"data":4,"offset":4},{"data":5,"offset":5}]}}`},
		{"newest", `{"channel":"news","limit":1,"reverse":true}`, 200, `{"result":{"epoch":"EPOCH","offset":5,"publications":[{"data":5,"offset":5}]}}`},
		{"since", `{"channel":"news","limit":1,"since":{"offset":3,"epoch":"EPOCH"}}`, 200, `{"result":{"epoch":"EPOCH","offset":5,"publications":[{"data":4,"offset":4}]}}`},
		{"another epoch", `{"channel":"news","limit":1,"since":{"offset":3,"epoch":"old"}}`, 416, `{"error":{"code":112,"message":"unrecoverable position"}}`},
		{"the end", `{"channel":"news","limit":1,"since":{"offset":5,"epoch":"EPOCH"}}`, 200, `{"result":{"epoch":"EPOCH","offset":5,"publications":[]}}`},
		{"the future", `{"channel":"news","limit":1,"since":{"offset":6,"epoch":"EPOCH"}}`, 416, `{"error":{"code":112,"message":"unrecoverable position"}}`},
		{"the future of any epoch", `{"channel":"news","since":{"offset":18446744073709551615}}`, 416, `{"error":{"code":112,"message":"unrecoverable position"}}`},
		{"back from the future", `{"channel":"news","limit":1,"reverse":true,"since":{"offset":99,"epoch":"EPOCH"}}`, 200, `{"result":{"epoch":"EPOCH","offset":5,"publications":[{"data":5,"offset":5}]}}`},
		{"back from the beginning", `{"channel":"news","limit":1,"reverse":true,"since":{"offset":0,"epoch":"EPOCH"}}`, 200, `{"result":{"epoch":"EPOCH","offset":5,"publications":[]}}`},
		{"offset below zero", `{"channel":"news","since":{"offset":-1}}`, 400, `{"error":{"code":107,"message":"since.offset: a whole number, not below 0, is expected"}}`},
		{"limit too large for a number", `{"channel":"news","limit":99999999999999999999}`, 400, `{"error":{"code":107,"message":"limit: a whole number is expected"}}`},
		{"limit below -1", `{"channel":"news","limit":-2}`, 400, `{"error":{"code":107,"message":"limit: -1 to 1000 is accepted"}}`},
		{"limit too high", `{"channel":"news","limit":1001}`, 400, `{"error":{"code":107,"message":"limit: -1 to 1000 is accepted"}}`},
		{"no history", `{"channel":"off"}`, 400, `{"error":{"code":108,"message":"not available: the rule of this channel has no history"}}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			status, answer := s.call(t, "/api/history", strings.ReplaceAll(tc.body, "EPOCH", epoch), "X-API-Key", testKey)
			text, _ := json.Marshal(answer)
			got := timeless(string(text))
			if want := strings.ReplaceAll(tc.want, "EPOCH", epoch); status != tc.status || got != want {
				t.Errorf("got %d %s\nwant %d %s", status, got, tc.status, want)
			}
		})
	}
	if status, answer := s.call(t, "/api/history_remove", `{"channel":"news"}`, "X-API-Key", testKey); status != 200 {
		t.Errorf("remove: %d %v", status, answer)
	}
	_, answer := s.call(t, "/api/history", `{"channel":"news","limit":-1}`, "X-API-Key", testKey)
	if got := fmt.Sprint(answer["result"]); got != "map[epoch:"+epoch+" offset:5 publications:[]]" {
		t.Errorf("after the removal: %s", got)
	}
}

func TestCentrifugeHistory(t *testing.T) {
	s := newRememberingServer(t)
	s.publish(t, "news", `"one"`)
	outside := s.dialCentrifuge(t)
	outside.say(`{"id":2,"history":{"channel":"news","limit":10}}`)
	if got := outside.hear(); !strings.Contains(got, `"code":103`) {
		t.Errorf("history from outside: got %s, want permission denied", got)
	}
	epoch := s.epoch(t, "news")
	c := s.dialCentrifuge(t)
	c.say(sub(2, "news") + sub(3, "off"))
	c.hear()
	for _, tc := range []struct{ name, ask, hear string }{
		{"all", `"channel":"news","limit":10`, `"history":{"publications":[{"data":"one","offset":1}],"epoch":"EPOCH","offset":1}`},
		{"another epoch", `"channel":"news","limit":1,"since":{"offset":1,"epoch":"old"}`, `"error":{"code":112,"message":"unrecoverable position"}`},
		{"the future", `"channel":"news","limit":1,"since":{"offset":2,"epoch":"EPOCH"}`, `"error":{"code":112,"message":"unrecoverable position"}`},
		{"limit below -1", `"channel":"news","limit":-2`, `"error":{"code":107,"message":"limit: -1 to 1000 is accepted"}`},
		{"limit too high", `"channel":"news","limit":1001`, `"error":{"code":107,"message":"limit: -1 to 1000 is accepted"}`},
		{"no history", `"channel":"off","limit":1`, `"error":{"code":108,"message":"not available: the rule of this channel has no history"}`},
	} {
		c.say(strings.ReplaceAll(`{"id":4,"history":{`+tc.ask+`}}`, "EPOCH", epoch))
		if got, want := c.hear(), strings.ReplaceAll(`{"id":4,`+tc.hear+`}`, "EPOCH", epoch); got != want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, want)
		}
	}
}
