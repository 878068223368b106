package hub_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/hub"
	"belfry/hub/hubtest"
)

func TestChannels(t *testing.T) {
	h, _ := hubtest.Run(t, hub.Options{})
	var last *hub.Subscription
	for _, name := range []string{"chat:1", "chat:2", "chat:2", "news"} {
		last = hubtest.Subscribe(t, h, name, &hubtest.Recorder{}, lines)
	}
	cases := []struct {
		pattern string
		want    map[string]int
	}{
		{"*", map[string]int{"chat:1": 1, "chat:2": 2, "news": 1}},
		{"chat:*", map[string]int{"chat:1": 1, "chat:2": 2}},
		{"news", map[string]int{"news": 1}},
		{"", map[string]int{}},
	}
	for _, tc := range cases {
		if diff := cmp.Diff(tc.want, h.Channels(tc.pattern)); diff != "" {
			t.Errorf("channels %q -want +got:\n%s", tc.pattern, diff)
		}
	}
	last.Cancel()
	if got := h.Channels("news"); len(got) != 0 {
		t.Errorf("after the last subscription was cancelled: %v", got)
	}
}
