package web_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/web"
)

func TestAPIKey(t *testing.T) {
	s := newTestServer(t, nil)
	const body = `{"channel":"chat","data":1}`
	cases := []struct {
		name    string
		headers []string
		status  int
	}{
		{"none", nil, 401},
		{"wrong", []string{"X-API-Key", "wrong"}, 401},
		{"a part of it", []string{"X-API-Key", testKey[:3]}, 401},
		{"wrong scheme", []string{"Authorization", "Bearer " + testKey}, 401},
		{"X-API-Key", []string{"X-API-Key", testKey}, 200},
		{"Authorization", []string{"Authorization", "apikey " + testKey}, 200},
		{"Authorization in capitals", []string{"Authorization", "ApiKey " + testKey}, 200},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if status, answer := s.call(t, "/api/publish", body, tc.headers...); status != tc.status {
				t.Errorf("status %d %v, want %d", status, answer, tc.status)
			}
		})
	}
	if strings.Contains(s.log.String(), testKey) {
		t.Error("the key is in the log")
	}
}

func TestNoAPIKeyMeansNoAPI(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) { o.APIKey = "" })
	if status, _ := s.call(t, "/api/publish", `{"channel":"chat","data":1}`, "X-API-Key", ""); status != 401 {
		t.Errorf("status %d, want 401", status)
	}
}

func TestAPIPublishBadInput(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) {
		o.Limits.Body = 2000
		o.Hub = hub.New(hub.Options{Rules: hub.Rules{{Match: "open*", ServerPublish: true}, {Match: "shut"}}})
	})
	cases := []struct {
		name, body string
		status     int
		code       float64
		says       string
	}{
		{"nothing", ``, 400, 107, "body: a JSON object is expected, and there is nothing"},
		{"not JSON", `hello`, 400, 107, "body: a JSON object is expected"},
		{"an array", `[]`, 400, 107, "body: a JSON object is expected"},
		{"two objects", `{"channel":"open","data":1}{}`, 400, 107, "one JSON object"},
		{"unknown field", `{"channel":"open","data":1,"chanel":"x"}`, 400, 107, "chanel: is not a field of this call"},
		{"wrong type", `{"channel":7,"data":1}`, 400, 107, "channel: a string is expected"},
		{"no channel", `{"data":1}`, 400, 107, "channel: it is empty"},
		{"empty channel", `{"channel":"","data":1}`, 400, 107, "channel: it is empty"},
		{"long channel", fmt.Sprintf(`{"channel":%q,"data":1}`, strings.Repeat("a", 256)), 400, 107, "channel: it has 256 bytes, at most 255"},
		{"control character", `{"channel":"a\u0007","data":1}`, 400, 107, "channel: it holds a control character"},
		{"unknown channel", `{"channel":"other","data":1}`, 404, 102, "no rule"},
		{"server may not", `{"channel":"shut","data":1}`, 403, 103, "publish list"},
		{"no data", `{"channel":"open"}`, 400, 107, "data: is missing"},
		{"two kinds of data", `{"channel":"open","data":1,"b64data":"MQ=="}`, 400, 107, "b64data: stands in place of data"},
		{"not base64", `{"channel":"open","b64data":"?"}`, 400, 107, "b64data: standard base64"},
		{"base64 of no JSON", `{"channel":"open","b64data":"` + base64.StdEncoding.EncodeToString([]byte("x")) + `"}`, 400, 107, "data: one JSON value"},
		{"not UTF-8", "{\"channel\":\"open\",\"data\":\"\xff\"}", 400, 107, "data: one JSON value in valid UTF-8"},
		{"long key", fmt.Sprintf(`{"channel":"open","data":1,"idempotency_key":%q}`, strings.Repeat("k", 256)), 400, 107, "idempotency_key: at most 255"},
		{"long tag", fmt.Sprintf(`{"channel":"open","data":1,"tags":{"k":%q}}`, strings.Repeat("v", 256)), 400, 107, "tags: "},
		{"too large", fmt.Sprintf(`{"channel":"open","data":%q}`, strings.Repeat("x", 2000)), 413, 106, "limits.body"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			status, answer := s.call(t, "/api/publish", tc.body, "X-API-Key", testKey)
			fault, _ := answer["error"].(map[string]any)
			if message, _ := fault["message"].(string); status != tc.status || fault["code"] != tc.code || !strings.Contains(message, tc.says) {
				t.Errorf("got %d %v\nwant %d, code %v, a message with %q", status, answer, tc.status, tc.code, tc.says)
			}
		})
	}
}

func TestAPIPublishForms(t *testing.T) {
	s := newTestServer(t, nil)
	c := s.dial(t, "/ws/news")
	for _, body := range []string{
		`{"channel":"news","data":{"v":1}}`,
		`{"channel":"news","b64data":"eyJ2IjoxfQ=="}`,
		`{"channel":"news","data":{"v":1},"idempotency_key":"once"}`,
		`{"channel":"news","data":"again","idempotency_key":"once"}`,
	} {
		if status, answer := s.call(t, "/api/publish", body, "X-API-Key", testKey); status != 200 || answer["result"] == nil {
			t.Errorf("%s: %d %v", body, status, answer)
		}
	}
	s.publish(t, "news", `"end"`)
	for _, want := range []string{`{"v":1}`, `{"v":1}`, `{"v":1}`, "end"} {
		if got := c.hear(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAPIBroadcast(t *testing.T) {
	s := newTestServer(t, nil)
	a, b := s.dial(t, "/ws/a"), s.dial(t, "/ws/b")
	status, answer := s.call(t, "/api/broadcast", `{"channels":["a","","b"],"data":"all"}`, "X-API-Key", testKey)
	result, _ := answer["result"].(map[string]any)
	got := fmt.Sprint(result["responses"])
	if want := "[map[result:map[]] map[error:map[code:107 message:channel: it is empty]] map[result:map[]]]"; status != 200 || got != want {
		t.Errorf("got %d %s\nwant %s", status, got, want)
	}
	for _, c := range []*client{a, b} {
		if got := c.hear(); got != "all" {
			t.Errorf("heard %q", got)
		}
	}
	for _, channels := range []string{`[]`, `["a"` + strings.Repeat(`,"a"`, 1000) + `]`} {
		if status, answer := s.call(t, "/api/broadcast", `{"channels":`+channels+`,"data":1}`, "X-API-Key", testKey); status != 400 {
			t.Errorf("%.30s…: got %d %v, want 400", channels, status, answer)
		}
	}
}

// awayBroker is a broker that cannot be reached.
type awayBroker struct{ *hub.MemoryBroker }

func (awayBroker) Publish(context.Context, string, *hub.Message, hub.PublishOptions) (hub.PublishResult, error) {
	return hub.PublishResult{}, fmt.Errorf("%w: secret detail", hub.ErrUnavailable)
}

func (awayBroker) Ready(context.Context) error {
	return fmt.Errorf("%w: secret detail", hub.ErrUnavailable)
}

func TestBrokerAway(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Broker: awayBroker{hub.NewMemoryBroker()}})
	})
	for path, body := range map[string]string{
		"/api/publish":   `{"channel":"a","data":1}`,
		"/api/broadcast": `{"channels":["a","b"],"data":1}`,
	} {
		if status, answer := s.call(t, path, body, "X-API-Key", testKey); status != 503 || strings.Contains(fmt.Sprint(answer), "secret") {
			t.Errorf("%s: got %d %v, want 503 without detail", path, status, answer)
		}
	}
	response, err := http.Get(s.URL + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
		t.Errorf("readyz: %d %v, want 503 with Retry-After", response.StatusCode, response.Header)
	}
	c := s.dialCentrifuge(t)
	c.say(`{"id":2,"publish":{"channel":"chat","data":1}}`)
	if got := c.hear(); !strings.Contains(got, `"code":100,`) || !strings.Contains(got, `"temporary":true`) {
		t.Errorf("Centrifuge publish: got %s, want a temporary error", got)
	}
	plain := s.dial(t, "/ws/chat")
	plain.say("lost?")
	if code, _ := plain.closed(); code != 1013 {
		t.Errorf("raw publish: close code %d, want 1013", code)
	}
}
