package web_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestChannelNameLimits says names of 255 bytes, which are accepted, and of 256,
// which are not, wherever a name can be said.
func TestChannelNameLimits(t *testing.T) {
	s := newRememberingServer(t)
	api := map[string]string{
		"/api/publish":        `{"channel":%q,"data":1}`,
		"/api/history":        `{"channel":%q}`,
		"/api/history_remove": `{"channel":%q}`,
	}
	centrifuge := []string{
		`{"id":2,"subscribe":{"channel":%q}}`,
		`{"id":3,"subscribe":{"channel":%q,"recover":true,"epoch":"x","offset":1}}`,
		`{"id":4,"publish":{"channel":%q,"data":1}}`,
	}
	for _, tc := range []struct {
		name, channel string
		accepted      bool
		says          string
	}{
		{"longest", strings.Repeat("n", 255), true, ""},
		{"longest, of letters of three bytes", strings.Repeat("鐘", 85), true, ""},
		{"too long", strings.Repeat("n", 256), false, "it has 256 bytes, at most 255 are accepted"},
		{"too long, of letters of three bytes", strings.Repeat("鐘", 86), false, "it has 258 bytes, at most 255 are accepted"},
		{"empty", "", false, "it is empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for path, body := range api {
				status, answer := s.call(t, path, fmt.Sprintf(body, tc.channel), "X-API-Key", testKey)
				want := `map[code:107 message:channel: ` + tc.says + `]`
				if accepted := status == 200; accepted != tc.accepted || !accepted && fmt.Sprint(answer["error"]) != want {
					t.Errorf("%s: %d %v, want accepted %t, or %s", path, status, answer, tc.accepted, want)
				}
			}
			_, answer := s.call(t, "/api/broadcast", fmt.Sprintf(`{"channels":["news",%q],"data":1}`, tc.channel), "X-API-Key", testKey)
			if got := fmt.Sprint(answer["result"]); strings.Count(got, "offset:") != 1+count(tc.accepted) || !tc.accepted && !strings.Contains(got, tc.says) {
				t.Errorf("broadcast: %v", answer)
			}
			for _, command := range centrifuge {
				c := s.dialCentrifuge(t)
				c.say(fmt.Sprintf(command, tc.channel))
				if got := c.hear(); strings.Contains(got, `"error":{"code":107,"message":"channel: `) == tc.accepted || !tc.accepted && !strings.Contains(got, tc.says) {
					t.Errorf("%s: %s", command, got)
				}
			}
		})
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// TestChannelNameWithSlash asks for a channel whose name has slashes, as they are and
// escaped: some proxies decode them.
func TestChannelNameWithSlash(t *testing.T) {
	s := newTestServer(t, nil)
	for path, channel := range map[string]string{
		"/ws/chat-/room": "chat-/room", "/ws/chat-%2Froom": "chat-/room", "/ws/chat-%2fa/b": "chat-/a/b", "/ws/chat-/a%20b/": "chat-/a b/", "/ws/chat-%252F": "chat-%2F",
	} {
		c := s.dial(t, path)
		s.publish(t, channel, fmt.Sprintf("%q", path))
		if got := c.hear(); got != path {
			t.Errorf("%s: heard %q", path, got)
		}
		c.Close()
		if status := s.statusOf(t, "POST", path+"?via=poll", "", nil); status != 200 {
			t.Errorf("%s over HTTP: %d", path, status)
		}
	}
	for path, want := range map[string]int{"/ws/": 400, "/ws": 404, "/ws//": 426} {
		if status := s.statusOf(t, "GET", path, "", nil); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}
