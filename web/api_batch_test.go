package web_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"belfry/hub"
	"belfry/web"
)

// encode writes JSON with its members in order.
func encode(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sorted puts the members of JSON in order.
func sorted(t testing.TB, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return encode(t, v)
}

func TestAPIBatch(t *testing.T) {
	const (
		noMethod  = `{"error":{"code":107,"message":"command: one method is expected in each"}}`
		unknown   = `{"error":{"code":104,"message":"method not found"}}`
		published = `{"publish":{}}`
	)
	cases := []struct{ name, commands, replies string }{
		{"one", `{"publish":{"channel":"off","data":1}}`, published},
		{"several", `{"publish":{"channel":"off","data":1}},{"presence_stats":{"channel":"room"}},{"channels":{"pattern":"x"}}`,
			published + `,{"presence_stats":{"num_clients":0,"num_users":0}},{"channels":{"channels":{}}}`},
		{"some fail", `{"publish":{"channel":"","data":1}},{"publish":{"channel":"off","data":1}},{"publish":{"channel":"shut","data":1}}`,
			`{"error":{"code":107,"message":"channel: it is empty"}},` + published +
				`,{"error":{"code":103,"message":"the rule of this channel does not let the server publish: add server to its publish list"}}`},
		{"fields that are not there", `{"publish":{"channel":"off","data":1,"delta":true}},{"info":{"all":1}},{"refresh":{"user":"u"}}`,
			`{"error":{"code":107,"message":"delta: is not a field of this call"}},{"error":{"code":107,"message":"all: is not a field of this call"}},` +
				`{"error":{"code":107,"message":"user: there are no users here, because this server has no keys for tokens (tokens.keys): name a client, by the ID that it is told when it connects"}}`},
		{"not one method", `{},{"publish":{"channel":"off","data":1},"info":{}}`, noMethod + "," + noMethod},
		{"unknown methods", `{"dance":{}},{"batch":{"commands":[]}},{"publish":7}`,
			unknown + "," + unknown + `,{"error":{"code":107,"message":"body: a JSON object is expected"}}`},
	}
	s := newTestServerOn(t, hub.NewMemoryBroker())
	for _, tc := range cases {
		for _, parallel := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, parallel %t", tc.name, parallel), func(t *testing.T) {
				got := encode(t, s.api(t, "batch", fmt.Sprintf(`{"parallel":%t,"commands":[%s]}`, parallel, tc.commands)))
				if want := sorted(t, `{"replies":[`+tc.replies+`]}`); got != want {
					t.Errorf("got %s\nwant %s", got, want)
				}
			})
		}
	}
}

// TestAPIBatchKeepsTheOrder publishes one after the other.
func TestAPIBatchKeepsTheOrder(t *testing.T) {
	s := newTestServerOn(t, hub.NewMemoryBroker())
	c := s.dial(t, "/ws/off")
	var commands []string
	for i := range 1000 {
		commands = append(commands, fmt.Sprintf(`{"publish":{"channel":"off","data":%d}}`, i))
	}
	s.api(t, "batch", `{"commands":[`+strings.Join(commands, ",")+`]}`)
	for i := range commands {
		if got := c.hear(); got != fmt.Sprint(i) {
			t.Fatalf("heard %s after %d", got, i-1)
		}
	}
}

func TestAPIBatchBadInput(t *testing.T) {
	s := newTestServerOn(t, hub.NewMemoryBroker())
	for name, tc := range map[string]struct{ body, says string }{
		"nothing":         {`{}`, "commands: 1 to 1000 commands are accepted"},
		"none":            {`{"commands":[]}`, "commands: 1 to 1000 commands are accepted"},
		"too many":        {`{"commands":[{}` + strings.Repeat(`,{}`, 1000) + `]}`, "commands: 1 to 1000 commands are accepted"},
		"no commands":     {`{"commands":[7]}`, "commands: a JSON object is expected"},
		"unknown field":   {`{"commands":[{}],"all":1}`, "all: is not a field of this call"},
		"parallel enough": {`{"commands":[{}],"parallel":7}`, "parallel: true or false is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := s.call(t, "/api/batch", tc.body, "X-API-Key", testKey)
			if got := fmt.Sprint(answer); status != 400 || !strings.Contains(got, "code:107") || !strings.Contains(got, tc.says) {
				t.Errorf("got %d %s, want 400 with %q", status, got, tc.says)
			}
		})
	}
}

// TestAPIBatchBrokerAway fails as a whole, so that it can be repeated.
func TestAPIBatchBrokerAway(t *testing.T) {
	s := newTestServerOn(t, awayBroker{hub.NewMemoryBroker()})
	publish := `{"publish":{"channel":"off","data":1}}`
	status, answer := s.call(t, "/api/batch", `{"commands":[`+publish+","+publish+`]}`, "X-API-Key", testKey)
	if status != 503 {
		t.Errorf("got %d %v, want 503", status, answer)
	}
	replies := s.api(t, "batch", `{"commands":[`+publish+`,{"info":{}}]}`)["replies"].([]any)
	if got := fmt.Sprint(replies[0]); !strings.Contains(got, "code:100") || strings.Contains(got, "secret") {
		t.Errorf("one of two: %s, want a temporary error", got)
	}
}

// newBigServer is one whose channel "big" remembers as much as a node may.
func newBigServer(t *testing.T) *testServer {
	return newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Rules: hub.Rules{
			{Match: "big", ServerPublish: true, History: hub.History{Size: 1000, TTL: time.Hour, Bytes: 1 << 30}},
			{Match: "*", ServerPublish: true},
		}})
	})
}

// TestAPIBatchIsBounded has each of many commands ask for as much as one call may
// bring: they share that, what changes something is carried out, and what there is no
// room for is an error.
func TestAPIBatchIsBounded(t *testing.T) {
	s := newBigServer(t)
	data := fmt.Sprintf("%q", strings.Repeat("x", 900_000))
	for range 12 {
		s.publish(t, "big", data)
	}
	const large = 40
	history := `{"history":{"channel":"big","limit":-1}}`
	for _, parallel := range []bool{false, true} {
		body := fmt.Sprintf(`{"parallel":%t,"commands":[%s{"publish":{"channel":"off","data":1}}]}`, parallel, strings.Repeat(history+",", large))
		_, answer := s.call(t, "/api/batch", body, "X-API-Key", testKey)
		replies := answer["result"].(map[string]any)["replies"].([]any)
		size, refused := 0, 0
		for _, r := range replies[:large] {
			text := encode(t, r)
			size += len(text)
			if strings.HasPrefix(text, `{"error":`) {
				refused++
				if !strings.Contains(text, `"code":106`) || !strings.Contains(text, "8 MiB") {
					t.Errorf("refused with %s", text)
				}
			}
		}
		t.Logf("parallel %t: %d bytes, %d of %d refused", parallel, size, refused, large)
		if size > 17<<20 || size < 7<<20 || refused == 0 || refused > large-8 {
			t.Errorf("parallel %t: %d bytes, %d of %d refused", parallel, size, refused, large)
		}
		if got := encode(t, replies[large]); got != `{"publish":{}}` {
			t.Errorf("the publish behind them: %s", got)
		}
	}
}

// TestAPIBatchGivesWhatIsLeftOver has two commands that want more than half each of
// what there is, beside one that wants little.
func TestAPIBatchGivesWhatIsLeftOver(t *testing.T) {
	s := newBigServer(t)
	data := fmt.Sprintf("%q", strings.Repeat("x", 60_000))
	for range 200 {
		s.publish(t, "big", data)
	}
	history := `{"history":{"channel":"big","limit":-1}}`
	replies := s.api(t, "batch", `{"commands":[{"info":{}},`+history+`,`+history+`]}`)["replies"].([]any)
	for _, r := range replies[1:] {
		got := len(r.(map[string]any)["history"].(map[string]any)["publications"].([]any))
		if half := 4 << 20 / 60_150; got < half-1 || got > half+1 {
			t.Errorf("%d publications, want half of what a request has, %d", got, half)
		}
	}
}
