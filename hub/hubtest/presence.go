package hubtest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"belfry/hub"
)

// Client is one who is called so, and whose user is the part before the dash.
func Client(name string) hub.ClientInfo {
	user, _, _ := strings.Cut(name, "-")
	return hub.ClientInfo{User: user, Client: name}
}

// Enter subscribes a client who is present, and starts.
func Enter(t testing.TB, h *hub.Hub, channel string, c hub.ClientInfo) (*hub.Subscription, *Recorder) {
	t.Helper()
	r := NewRecorder(c.Client)
	sub := subscribe(t, h, channel, r, Lines{}, hub.SubscribeOptions{Client: &c})
	sub.Start()
	return sub, r
}

// JoinsAndLeaves returns what was heard of clients, as "+anna" and "-anna".
func (r *Recorder) JoinsAndLeaves() (all []string) {
	for _, m := range r.Messages() {
		switch m.Kind {
		case hub.KindJoin:
			all = append(all, "+"+m.Info.Client)
		case hub.KindLeave:
			all = append(all, "-"+m.Info.Client)
		}
	}
	return all
}

// WantJoinsAndLeaves waits until that, and no more, was heard.
func (r *Recorder) WantJoinsAndLeaves(t testing.TB, want ...string) {
	t.Helper()
	waitFor(func() bool { return len(r.JoinsAndLeaves()) >= len(want) })
	if got := r.JoinsAndLeaves(); !slices.Equal(got, want) {
		t.Errorf("%s heard %q, want %q", r.ID(), got, want)
	}
}

// Present returns the clients of a channel in order, or what kept them from
// being read.
func Present(h *hub.Hub, channel string) string {
	there, err := h.Presence(context.Background(), channel, 0)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, c := range there.Clients {
		names = append(names, c.Client)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// WantPresent waits until those, and no others, are on a channel, and the stats
// say the same.
func WantPresent(t testing.TB, h *hub.Hub, channel, want string, users int) {
	t.Helper()
	waitFor(func() bool { return Present(h, channel) == want })
	if got := Present(h, channel); got != want {
		t.Fatalf("on %q are %q, want %q", channel, got, want)
	}
	stats, err := h.PresenceStats(context.Background(), channel)
	if n := len(strings.Fields(want)); err != nil || stats != (hub.PresenceStats{Clients: n, Users: users}) {
		t.Errorf("the stats of %q are %+v, %v; want %d clients and %d users", channel, stats, err, n, users)
	}
}
