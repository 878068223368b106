package web_test

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"belfry/hub"
	"belfry/web"
	"belfry/web/access"
)

// TestAPIKeys makes calls with keys of several rights: in a request of their own, in a
// batch and in lines.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	logged := &logBuffer{}
	s := newTestServer(t, func(o *web.Options) {
		withAPIKeys(o)
		o.Logger = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	s.dial(t, "/ws/news")
	s.dial(t, "/ws/chat")
	for _, c := range []struct {
		key, call, body string
		status          int
		says            string
	}{
		{testKey, "publish", `{"channel":"chat","data":1}`, 200, ""},
		{"billing key", "publish", `{"channel":"news","data":1}`, 200, ""},
		{"billing key", "publish", `{"channel":"chat","data":1}`, 403, `the API key billing may not use the channel "chat"`},
		{"billing key", "broadcast", `{"channels":["news"],"data":1}`, 403, "the API key billing may not make the call broadcast"},
		{"billing key", "disconnect", `{"client":"c"}`, 403, "the API key billing may not make the call disconnect"},
		{"news key", "presence", `{"channel":"chat"}`, 403, `the API key news may not use the channel "chat"`},
		{"news key", "history", `{"channel":"news"}`, 200, ""},
		{"news key", "history_remove", `{"channel":"chat"}`, 403, `the API key news may not use the channel "chat"`},
		{"news key", "subscribe", `{"channel":"chat","client":"c"}`, 403, `the API key news may not use the channel "chat"`},
		{"news key", "info", `{}`, 403, "the API key news may not make the call info"},
		{"news key", "rpc", `{"method":"m"}`, 403, "the API key news may not make the call rpc"},
		{"old key", "publish", `{"channel":"chat","data":1}`, 401, "this API key has expired"},
		{"", "publish", `{"channel":"chat","data":1}`, 401, "a valid API key is needed"},
	} {
		t.Run(c.key+" "+c.call, func(t *testing.T) {
			status, answer := s.call(t, "/api/"+c.call, c.body, "X-API-Key", c.key)
			if text := fmt.Sprint(answer["error"]); status != c.status || c.says != "" && !strings.Contains(text, c.says) {
				t.Errorf("%s: %d %v, want %d %s", c.body, status, answer, c.status, c.says)
			}
			if c.status == 401 {
				return
			}
			_, answer = s.call(t, "/api/batch", fmt.Sprintf(`{"commands":[{%q:%s}]}`, c.call, c.body), "X-API-Key", c.key)
			if text := fmt.Sprint(answer); strings.Contains(text, "103") != (c.status == 403) || !strings.Contains(text, c.says) {
				t.Errorf("%s in a batch: %v, want %d %s", c.body, answer, c.status, c.says)
			}
			_, answer = s.call(t, "/api", fmt.Sprintf(`{"method":%q,"params":%s}`, c.call, c.body), "X-API-Key", c.key)
			if text := fmt.Sprint(answer); strings.Contains(text, "103") != (c.status == 403) || !strings.Contains(text, c.says) {
				t.Errorf("%s in a line: %v, want %d %s", c.body, answer, c.status, c.says)
			}
		})
	}
	_, answer := s.call(t, "/api/channels", `{}`, "X-API-Key", "news key")
	if got := fmt.Sprint(answer); got != "map[result:map[channels:map[news:map[num_clients:1]]]]" {
		t.Errorf("channels with the key for news: %s", got)
	}
	if log := logged.String(); !strings.Contains(log, "msg=published key=billing channel=news") || !strings.Contains(log, "msg=published key=api.key channel=chat") {
		t.Errorf("the log does not say whose messages they are:\n%s", log)
	} else if strings.Contains(log, "billing key") || strings.Contains(log, testKey) {
		t.Errorf("a key is in the log:\n%s", log)
	}
}

// withAPIKeys adds keys of several rights. Their texts end with key.
func withAPIKeys(o *web.Options) {
	sum := func(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }
	o.Hub = hub.New(hub.Options{Rules: presenceRules()})
	o.APIKeys = []access.APIKey{
		{Name: "billing", Sum: sum("billing key"), Calls: []string{"publish"}, Channels: []string{"news*"}, Expires: time.Now().Add(time.Hour)},
		{Name: "news", Sum: sum("news key"), Channels: []string{"news*"}},
		{Name: "old", Sum: sum("old key"), Expires: time.Now().Add(-time.Second)},
	}
}
