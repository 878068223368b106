package centrifuge

import (
	"encoding/json"
	"testing"
)

func TestFrame(t *testing.T) {
	got := Frame(
		Command{ID: 1, Connect: &ConnectRequest{Name: "n"}},
		Command{ID: 2, Subscribe: &SubscribeRequest{Channel: `<"&>`}},
		Command{ID: 3, Subscribe: &SubscribeRequest{Channel: "c", Recover: true, Epoch: "e", Offset: 7}},
		Command{ID: 4, Unsubscribe: &ChannelRequest{"c"}},
	)
	want := `{"id":1,"connect":{"name":"n"}}
{"id":2,"subscribe":{"channel":"<\"&>"}}
{"id":3,"subscribe":{"channel":"c","recover":true,"epoch":"e","offset":7}}
{"id":4,"unsubscribe":{"channel":"c"}}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestResubscribe sorts the codes of an ended subscription.
func TestResubscribe(t *testing.T) {
	for code, want := range map[int]bool{2000: false, 2499: false, 2500: true, 2999: true} {
		var r Reply
		text, _ := json.Marshal(map[string]any{"push": map[string]any{"channel": "c", "unsubscribe": map[string]int{"code": code}}})
		if err := json.Unmarshal(text, &r); err != nil || r.Push.Unsubscribe.Resubscribe() != want {
			t.Errorf("code %d: %+v, %v, want %v", code, r.Push, err, want)
		}
	}
}
