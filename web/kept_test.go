package web_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/web"
)

// keeping starts a server whose node keeps little.
func keeping(t *testing.T, l hub.Limits) *testServer {
	return newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Limits: l, Rules: hub.Rules{{
			Match: "room*", ServerPublish: true, ClientPublish: true, History: hub.History{Size: 100},
		}}})
	})
}

// Over a limit of what a node keeps, those who ask hear which one it is, and that
// trying again may help.
func TestKeptLimitsAreTold(t *testing.T) {
	t.Run("channels", func(t *testing.T) {
		s := keeping(t, hub.Limits{Channels: 100})
		for i := range 100 {
			s.accepted(t, fmt.Sprintf(`{"channel":"room%d","data":1}`, i))
		}
		s.wantLimit(t, `{"channel":"room","data":1}`, "limits.channels: 100 channels are in use or remembered")
	})
	t.Run("history", func(t *testing.T) {
		s := keeping(t, hub.Limits{History: 10_000})
		s.accepted(t, `{"channel":"room","data":"`+strings.Repeat("x", 9_000)+`"}`)
		s.wantLimit(t, `{"channel":"room","data":"`+strings.Repeat("x", 1_000)+`"}`, "limits.history: the histories of all channels have 10000 bytes")
	})
	t.Run("idempotency keys", func(t *testing.T) {
		s := keeping(t, hub.Limits{IdempotencyKeys: 3})
		for i := range 3 {
			s.accepted(t, fmt.Sprintf(`{"channel":"room","data":1,"idempotency_key":"%d"}`, i))
		}
		s.wantLimit(t, `{"channel":"room","data":1,"idempotency_key":"3"}`, "limits.idempotency_keys: 3 idempotency keys are remembered")
	})
}

// TestSubscribeOverTheLimit has as many channels in use as a node may have.
func TestSubscribeOverTheLimit(t *testing.T) {
	s := keeping(t, hub.Limits{Channels: 2})
	s.dial(t, "/ws/room1")
	c := s.dialCentrifuge(t)
	c.say(sub(2, "room2"))
	c.hear()
	c.say(sub(3, "room3"))
	if got := c.hear(); !strings.Contains(got, `{"id":3,"error":{"code":111,"message":"limits.channels: 2 channels of this node have subscribers`) ||
		!strings.Contains(got, `"temporary":true`) {
		t.Errorf("the client hears %s", got)
	}
	if status, text := s.poll(t, "channel=room4"); status != 429 || !strings.Contains(text, "limits.channels") {
		t.Errorf("a poll is answered %d %s", status, text)
	}
}

// accepted publishes what has to be accepted.
func (s *testServer) accepted(t *testing.T, body string) {
	t.Helper()
	if status, answer := s.call(t, "/api/publish", body, "X-API-Key", testKey); status != 200 || answer["error"] != nil {
		t.Fatalf("publish %.100s: %d %v", body, status, answer)
	}
}

// wantLimit checks what a publisher hears, in a batch and of a broadcast as well,
// whose channels fail one by one.
func (s *testServer) wantLimit(t *testing.T, body, says string) {
	t.Helper()
	for path, body := range map[string]string{
		"/api/publish":   body,
		"/api/broadcast": regexp.MustCompile(`"channel":("\w+")`).ReplaceAllString(body, `"channels":[$1]`),
		"/api/batch":     `{"commands":[{"publish":` + body + `}]}`,
	} {
		status, answer := s.call(t, path, body, "X-API-Key", testKey)
		text, want := fmt.Sprint(answer), 200
		if path == "/api/publish" {
			want = 429
		}
		if status != want || !strings.Contains(text, "code:111 message:"+says) || !strings.Contains(text, "nothing was done") || !strings.Contains(text, "temporary:true") {
			t.Errorf("%s: %d %s, want %d and %s", path, status, text, want, says)
		}
	}
}
