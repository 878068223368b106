package web_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/web"
)

// FuzzAPIBody makes calls of the HTTP API with any body: each is answered with JSON
// that has a result or an error, and never with a fault of the server.
func FuzzAPIBody(f *testing.F) {
	methods := []string{"publish", "broadcast", "subscribe", "unsubscribe", "disconnect", "refresh", "presence", "presence_stats",
		"history", "history_remove", "channels", "info", "rpc", "batch"}
	for i := range methods {
		for _, body := range []string{
			`{}`, `{"channel":"chat","data":{"a":[1]},"tags":{"a":"b"},"idempotency_key":"k"}`, `{"channels":["chat","date"],"b64data":"MQ=="}`,
			`{"channel":"chat","client":"c","info":{"a":1},"recover_since":{"offset":1,"epoch":"e"}}`, `{"client":"c","disconnect":{"code":3000,"reason":"r"}}`,
			`{"channel":"date","limit":-1,"since":{"offset":18446744073709551615,"epoch":""},"reverse":true}`, `{"pattern":"c*"}`, `{"method":"m","params":[]}`,
			`{"parallel":true,"commands":[{"publish":{"channel":"chat","data":1}},{"batch":{}},{},null]}`, `[`, "\xff", `{"channel":"chat","data":` + strings.Repeat("[", 70),
		} {
			f.Add(uint8(i), []byte(body))
		}
	}
	h := hub.New(hub.Options{})
	s := web.New(web.Options{Hub: h, APIKey: testKey})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = h.Run(ctx); close(done) }()
	f.Cleanup(func() { cancel(); <-done })
	statuses := []int{200, 400, 403, 404, 413, 416, 503}
	f.Fuzz(func(t *testing.T, number uint8, body []byte) {
		method := methods[int(number)%len(methods)]
		r, w := httptest.NewRequest(http.MethodPost, "/api/"+method, strings.NewReader(string(body))), httptest.NewRecorder()
		r.Header.Set("X-API-Key", testKey)
		s.ServeHTTP(w, r)
		var answer struct{ Result, Error json.RawMessage }
		err := json.Unmarshal(w.Body.Bytes(), &answer)
		if err != nil || !slices.Contains(statuses, w.Code) || (w.Code == http.StatusOK) != (answer.Result != nil) || (answer.Result == nil) == (answer.Error == nil) {
			t.Errorf("%s %q: %d %q, %v", method, body, w.Code, w.Body, err)
		}
	})
}
