package web_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"belfry/web"
)

// TestDepthOfJSON brings JSON with many levels in through every door behind which it
// is published or kept: 64 pass, 65 do not, and the error names the bound.
func TestDepthOfJSON(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { o.RPC = answerRPC })
	api := func(method string) func(*testing.T, string) string {
		return func(t *testing.T, body string) string {
			_, answer := s.insist(t, method, body)
			return encode(t, answer)
		}
	}
	command := func(t *testing.T, text string) string {
		c := s.dialCentrifuge(t)
		c.say(text)
		return c.hearUntil(func(text string) bool { return strings.HasPrefix(text, `{"id":2,`) }, "answer")
	}
	doors := []struct {
		name string
		ask  func(t *testing.T, text string) string
		text string // with %s for the JSON
	}{
		{"publish", api("publish"), `{"channel":"chat","data":%s}`},
		{"publish in base64", api("publish"), `{"channel":"chat","b64data":"BASE64"}`},
		{"broadcast", api("broadcast"), `{"channels":["chat"],"data":%s}`},
		{"batch", api("batch"), `{"commands":[{"publish":{"channel":"chat","data":%s}}]}`},
		{"subscribe", api("subscribe"), `{"client":"nobody","channel":"chat","info":%s}`},
		{"rpc", api("rpc"), `{"method":"nothing","params":%s}`},
		{"publish of a client", command, `{"id":2,"publish":{"channel":"chat","data":%s}}`},
		{"rpc of a client", command, `{"id":2,"rpc":{"method":"nothing","data":%s}}`},
		{"data of a subscription", command, `{"id":2,"subscribe":{"channel":"chat","data":%s}}`},
	}
	const want = "at most 64 levels of arrays and objects are accepted"
	for _, door := range doors {
		t.Run(door.name, func(t *testing.T) {
			for _, levels := range []int{64, 65, 400} {
				data := strings.Repeat("[", levels) + strings.Repeat("]", levels)
				text := strings.ReplaceAll(door.text, "BASE64", base64.StdEncoding.EncodeToString([]byte(data)))
				if strings.Contains(text, "%s") {
					text = fmt.Sprintf(text, data)
				}
				if got := door.ask(t, text); strings.Contains(got, want) != (levels > 64) {
					t.Errorf("%d levels: %s", levels, got)
				}
			}
		})
	}
	t.Run("raw", func(t *testing.T) { // what is no JSON for us is a text
		c, hears := s.dial(t, "/ws/chat"), s.dialCentrifuge(t)
		hears.say(sub(2, "chat"))
		hears.hear()
		deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
		c.say(deep)
		hears.hearUntil(func(text string) bool { return strings.Contains(text, `"data":"`+deep+`"`) }, "message that is a string")
	})
}
