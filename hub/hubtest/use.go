package hubtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"belfry/hub"
)

// Subscribe subscribes without starting, until the test ends.
func Subscribe(t testing.TB, h *hub.Hub, channel string, s hub.Subscriber, e hub.Encoder) *hub.Subscription {
	t.Helper()
	return subscribe(t, h, channel, s, e, hub.SubscribeOptions{})
}

// Recover subscribes a recorder that has everything up to a position, without
// starting.
func Recover(t testing.TB, h *hub.Hub, channel string, r *Recorder, p hub.Position) *hub.Subscription {
	t.Helper()
	return subscribe(t, h, channel, r, Lines{}, hub.SubscribeOptions{Recover: &p})
}

func subscribe(t testing.TB, h *hub.Hub, channel string, s hub.Subscriber, e hub.Encoder, o hub.SubscribeOptions) *hub.Subscription {
	t.Helper()
	sub, err := h.Subscribe(context.Background(), channel, s, e, o)
	if err != nil {
		t.Fatalf("Subscribe(%q) of %q with %+v: %v", channel, s.ID(), o, err)
	}
	t.Cleanup(sub.Cancel)
	return sub
}

// Listen subscribes a new recorder and starts.
func Listen(t testing.TB, h *hub.Hub, channel, id string) *Recorder {
	t.Helper()
	r := NewRecorder(id)
	Subscribe(t, h, channel, r, Lines{}).Start()
	return r
}

// Value returns the data of a message that says something: JSON as it is, and any
// other text as a string of JSON, which [Text] makes text again.
func Value(text string) []byte {
	if !json.Valid([]byte(text)) {
		quoted, _ := json.Marshal(text)
		return quoted
	}
	return []byte(text)
}

// Text returns what the data of a message says; see [Value].
func Text(data []byte) string {
	if !bytes.HasPrefix(data, []byte(`"`)) {
		return string(data)
	}
	var text string
	if json.Unmarshal(data, &text) == nil && !json.Valid([]byte(text)) {
		return text
	}
	return string(data)
}

// Publish publishes data, or text, that has to be accepted; see [Value].
func Publish(t testing.TB, h *hub.Hub, channel, data string) hub.Position {
	t.Helper()
	return PublishWith(t, h, channel, data, hub.PublishOptions{}).Position
}

// PublishWith is Publish with options.
func PublishWith(t testing.TB, h *hub.Hub, channel, data string, o hub.PublishOptions) hub.PublishResult {
	t.Helper()
	r, err := h.Publish(context.Background(), channel, &hub.Message{Data: Value(data)}, o)
	if err != nil {
		t.Fatalf("Publish(%q, %.40q) = %v", channel, data, err)
	}
	return r
}

// PublishNumbers publishes the numbers from first to last, and returns the
// position of the last.
func PublishNumbers(t testing.TB, h *hub.Hub, channel string, first, last int) (p hub.Position) {
	t.Helper()
	for i := first; i <= last; i++ {
		p = Publish(t, h, channel, fmt.Sprint(i))
	}
	return p
}

// TryPublish publishes what need not be accepted, under an idempotency key if it
// is not empty.
func TryPublish(h *hub.Hub, channel, data, key string) error {
	_, err := h.Publish(context.Background(), channel, &hub.Message{Data: Value(data)}, hub.PublishOptions{IdempotencyKey: key})
	return err
}

// WantInTurn checks that messages are the numbers of publishers that each publish
// so many, publisher p those from p*each on: all of them, and those of each
// publisher in order.
func WantInTurn(t testing.TB, got []string, publishers, each int) {
	t.Helper()
	next := make([]int, publishers)
	for i, data := range got {
		var n int
		fmt.Sscan(data, &n)
		p := n / each
		if n != p*each+next[p] {
			t.Fatalf("message %d is number %d of publisher %d, want number %d", i, n%each, p, next[p])
		}
		next[p]++
	}
	if len(got) != publishers*each {
		t.Fatalf("%d messages came, want %d", len(got), publishers*each)
	}
}
