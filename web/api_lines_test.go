package web_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/hub"
)

// lines posts to /api as the Go library of Centrifugo does, and returns what it reads.
func (s *testServer) lines(t *testing.T, key, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "apikey "+key)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// TestAPILines sends commands a line each. Errors stand in the lines, as there.
func TestAPILines(t *testing.T) {
	s := newTestServerOn(t, hub.NewMemoryBroker())
	c := s.dial(t, "/ws/off")
	const publish = `{"method":"publish","params":{"channel":"off","data":`
	many := strings.Repeat(publish+"0}}\n", 1000)
	cases := []struct {
		name, key, body string
		status          int
		want            string
	}{
		{"one", testKey, publish + `1}}` + "\n", 200, `{"result":{}}` + "\n"},
		{"several", testKey, publish + `2}}` + "\n" + `{"method":"presence_stats","params":{"channel":"room"}}` + "\n" + publish + `3}}` + "\n", 200,
			`{"result":{}}` + "\n" + `{"result":{"num_clients":0,"num_users":0}}` + "\n" + `{"result":{}}` + "\n"},
		{"some fail", testKey, `{"method":"dance"}` + "\n" + publish + `4}}` + "\n" + `{"method":"batch","params":{}}` + "\n" + `{"method":"publish"}`, 200,
			`{"error":{"code":104,"message":"method not found"}}` + "\n" + `{"result":{}}` + "\n" + `{"error":{"code":104,"message":"method not found"}}` + "\n" +
				`{"error":{"code":107,"message":"data: is missing: any JSON value is accepted"}}` + "\n"},
		{"without params, and more than is read", testKey, `{"id":7,"method":"channels","params":{"pattern":"x"}}{"method":"channels","params":{"pattern":"y"}}`, 200,
			`{"result":{"channels":{}}}` + "\n" + `{"result":{"channels":{}}}` + "\n"},
		{"for a user", testKey, `{"method":"disconnect","params":{"user":"u"}}`, 200,
			`{"error":{"code":107,"message":"user: there are no users here, because this server has no keys for tokens (tokens.keys): name a client, by the ID that it is told when it connects"}}` + "\n"},
		{"a wrong key", "wrong", publish + `5}}`, 401, ""},
		{"nothing", testKey, "", 400, ""},
		{"no JSON", testKey, publish + `6}}` + "\nnonsense", 400, ""},
		{"no object", testKey, `[]`, 400, ""},
		{"too many", testKey, many + publish + `7}}`, 400, ""},
		{"as many as there may be", testKey, many, 200, strings.Repeat(`{"result":{}}`+"\n", 1000)},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			status, got := s.lines(t, tc.key, tc.body)
			if status != tc.status {
				t.Errorf("status %d, want %d: %s", status, tc.status, got)
			}
			if diff := cmp.Diff(tc.want, got); tc.want != "" && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for i := 1; i <= 4; i++ { // in their order, and nothing of what was refused as a whole
		if got := c.hear(); got != fmt.Sprint(i) {
			t.Errorf("heard %s, want %d", got, i)
		}
	}
	if got := c.hear(); got != "0" {
		t.Errorf("heard %s behind that", got)
	}
}
