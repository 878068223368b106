package hub_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// enter subscribes a client with presence and starts.
func enter(t testing.TB, h *hub.Hub, channel string, c hub.ClientInfo) (*hub.Subscription, *hubtest.Recorder) {
	t.Helper()
	r := hubtest.NewRecorder(c.Client)
	sub, err := h.Subscribe(context.Background(), channel, r, lines, hub.SubscribeOptions{Client: &c})
	if err != nil {
		t.Fatalf("Subscribe(%q) of %q = %v", channel, c.Client, err)
	}
	t.Cleanup(sub.Cancel)
	sub.Start()
	return sub, r
}

// client is one who is called so, and whose user is the part before the dash.
func client(name string) hub.ClientInfo {
	user, _, _ := strings.Cut(name, "-")
	return hub.ClientInfo{User: user, Client: name}
}

// comings returns what was heard of those who came and went, as "+anna" and
// "-anna".
func comings(r *hubtest.Recorder) (all []string) {
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

// wantComings waits until that, and no more, was heard.
func wantComings(t testing.TB, r *hubtest.Recorder, want ...string) {
	t.Helper()
	wantComingsWithin(t, 5*time.Second, r, want...)
}

func wantComingsWithin(t testing.TB, within time.Duration, r *hubtest.Recorder, want ...string) {
	t.Helper()
	for deadline := time.Now().Add(within); len(comings(r)) < len(want) && time.Now().Before(deadline); {
		time.Sleep(2 * time.Millisecond)
	}
	if got := comings(r); !slices.Equal(got, want) {
		t.Errorf("%s heard %q, want %q", r.ID(), got, want)
	}
}

// present returns the clients of a channel in order, or what kept them from
// being read.
func present(h *hub.Hub, channel string) string {
	clients, err := h.Presence(context.Background(), channel)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, c := range clients {
		names = append(names, c.Client)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// wantPresent waits until those, and no others, are on a channel, and checks that
// the stats say the same.
func wantPresent(t testing.TB, h *hub.Hub, channel, want string, users int) {
	t.Helper()
	wantPresentWithin(t, 5*time.Second, h, channel, want, users)
}

func wantPresentWithin(t testing.TB, within time.Duration, h *hub.Hub, channel, want string, users int) {
	t.Helper()
	for deadline := time.Now().Add(within); present(h, channel) != want && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	if got := present(h, channel); got != want {
		t.Fatalf("on %q are %q, want %q", channel, got, want)
	}
	stats, err := h.PresenceStats(context.Background(), channel)
	if n := len(strings.Fields(want)); err != nil || stats != (hub.PresenceStats{Clients: n, Users: users}) {
		t.Errorf("the stats of %q are %+v, %v; want %d clients and %d users", channel, stats, err, n, users)
	}
}

func checkPresence(t *testing.T, nodes cluster) {
	hubs := nodes(t, 2)
	anna, heardByAnna := enter(t, hubs[0], "chat", client("anna-1"))
	ben, heardByBen := enter(t, hubs[1], "chat", client("ben"))
	_, _ = enter(t, hubs[1], "chat", client("anna-2"))
	wantComings(t, heardByAnna, "+ben", "+anna-2")
	wantComings(t, heardByBen, "+anna-2")
	for _, h := range hubs {
		wantPresent(t, h, "chat", "anna-1 anna-2 ben", 2)
		wantPresent(t, h, "chat:2", "", 0)
	}
	anna.Cancel()
	wantComings(t, heardByBen, "+anna-2", "-anna-1")
	wantPresent(t, hubs[1], "chat", "anna-2 ben", 2)
	ben.Cancel()
	wantPresent(t, hubs[0], "chat", "anna-2", 1)
	wantComings(t, heardByAnna, "+ben", "+anna-2")
}

// What is known of a client arrives whole, in the message and in the presence.
func checkPresenceFields(t *testing.T, nodes cluster) {
	hubs := nodes(t, 2)
	_, r := enter(t, hubs[0], "chat", client("watcher"))
	for i, c := range []hub.ClientInfo{
		{User: "42 43", Client: "a b", ConnInfo: []byte(`{"a":1}`), ChanInfo: []byte(`[2]`)},
		{Client: "anonymous"},
		{User: "7 \x00\n1 x", Client: "c\x00\n%s{}", ConnInfo: []byte(`"` + strings.Repeat("x", 1<<16) + `"`)},
		{User: "ünï 鐘", Client: "鐘"},
	} {
		before := time.Now().UnixMilli()
		sub, _ := enter(t, hubs[1], "chat", c)
		clients, err := hubs[0].Presence(t.Context(), "chat")
		at := slices.IndexFunc(clients, func(p hub.ClientInfo) bool { return p.Client == c.Client })
		if err != nil || at < 0 {
			t.Fatalf("%q is not on the channel: %v, %v", c.Client, clients, err)
		}
		if diff := gocmp.Diff(c, clients[at]); diff != "" {
			t.Errorf("%q: -joined +present:\n%.500s", c.Client, diff)
		}
		sub.Cancel()
		r.Wait(t, 2*i+2)
		for _, m := range r.Messages()[2*i:] {
			if diff := gocmp.Diff(&c, m.Info); diff != "" || m.Exclude != c.Client || len(m.Data) > 0 || m.Offset != 0 ||
				m.Time < before || m.Time > time.Now().UnixMilli() {
				t.Errorf("%q: message %+v, -joined +told:\n%.500s", c.Client, m, diff)
			}
		}
	}
	wantPresent(t, hubs[1], "chat", "watcher", 1)
}

// A client that subscribes again while its old subscription is still there stays
// until both are gone; one that comes back has joined again.
func checkPresenceAgain(t *testing.T, nodes cluster) {
	hubs := nodes(t, 2)
	_, r := enter(t, hubs[0], "chat", client("watcher"))
	old, _ := enter(t, hubs[1], "chat", client("anna"))
	newer := client("anna")
	newer.ChanInfo = []byte(`"newer"`)
	again, _ := enter(t, hubs[1], "chat", newer)
	old.Cancel()
	old.Cancel()
	wantPresent(t, hubs[0], "chat", "anna watcher", 2)
	clients, err := hubs[0].Presence(t.Context(), "chat")
	slices.SortFunc(clients, func(a, b hub.ClientInfo) int { return cmp.Compare(a.Client, b.Client) })
	if err != nil || string(clients[0].ChanInfo) != `"newer"` {
		t.Errorf("the presence is %v, %v; want what the newer subscription said", clients, err)
	}
	again.Cancel()
	wantComings(t, r, "+anna", "-anna")
	want := []string{"+anna", "-anna"}
	for range 20 {
		sub, _ := enter(t, hubs[1], "chat", client("anna"))
		sub.Cancel()
		want = append(want, "+anna", "-anna")
	}
	enter(t, hubs[1], "chat", client("anna"))
	wantComings(t, r, append(want, "+anna")...)
	wantPresent(t, hubs[0], "chat", "anna watcher", 2)
}

// A client that comes back as another user is counted as that one.
func checkPresenceOtherUser(t *testing.T, nodes cluster) {
	hubs := nodes(t, 2)
	first, _ := enter(t, hubs[0], "chat", hub.ClientInfo{User: "anna", Client: "a"})
	second, _ := enter(t, hubs[0], "chat", hub.ClientInfo{User: "ben", Client: "a"})
	enter(t, hubs[1], "chat", hub.ClientInfo{User: "ben", Client: "b"})
	wantPresent(t, hubs[1], "chat", "a b", 1)
	first.Cancel()
	wantPresent(t, hubs[1], "chat", "a b", 1)
	second.Cancel()
	wantPresent(t, hubs[1], "chat", "b", 1)
}

// Channels whose rules have no presence, and subscribers that say nothing of
// themselves, are unknown.
func checkPresenceOff(t *testing.T, nodes cluster) {
	hubs := nodes(t, 2)
	_, r := enter(t, hubs[0], "news", client("anna"))
	enter(t, hubs[1], "news", client("ben"))
	_, known := enter(t, hubs[0], "chat", client("anna"))
	unnamed := listen(t, hubs[1], "chat", "unnamed")
	publish(t, hubs[1], "news", "1")
	publish(t, hubs[1], "chat", "1")
	wantData(t, r, "1")
	wantData(t, known, "1")
	wantPresent(t, hubs[1], "news", "", 0)
	wantPresent(t, hubs[1], "chat", "anna", 1)
	wantData(t, unnamed, "1")
}

// A client that is evicted leaves.
func checkPresenceEvicted(t *testing.T, nodes cluster) {
	hubs := nodes(t, 2)
	_, r := enter(t, hubs[0], "chat", client("watcher"))
	slow := hubtest.NewRecorder("slow")
	var sub *hub.Subscription
	evicted := make(chan struct{})
	slow.OnEvict = func() { close(evicted) }
	c := client("slow")
	sub, err := hubs[1].Subscribe(t.Context(), "chat", slow, lines, hub.SubscribeOptions{Client: &c})
	if err != nil {
		t.Fatal(err)
	}
	slow.Refuse(true)
	sub.Start()
	publish(t, hubs[0], "chat", "1")
	<-evicted
	sub.Cancel()
	wantComings(t, r, "+slow", "-slow")
	wantPresent(t, hubs[0], "chat", "watcher", 1)
}

// Many come and go at once; at the end those are there who stayed, and everybody
// who was heard of came before they went.
func checkPresenceAtOnce(t *testing.T, nodes cluster) {
	const clients = 200
	hubs := nodes(t, 2)
	_, r := enter(t, hubs[0], "chat", client("0"))
	var coming sync.WaitGroup
	for i := range clients {
		coming.Go(func() {
			for range 3 {
				sub, _ := enter(t, hubs[i%2], "chat", client(fmt.Sprint("c", i)))
				sub.Cancel()
			}
			if i%2 == 0 {
				enter(t, hubs[i%2], "chat", client(fmt.Sprint("c", i)))
			}
		})
	}
	coming.Wait()
	hubtest.Eventually(t, 15*time.Second, func() bool { return len(comings(r)) == 7*clients-clients/2 }, "all comings are heard of")
	here := make(map[string]int)
	for _, coming := range comings(r) {
		here[coming[1:]] += map[byte]int{'+': 1, '-': -1}[coming[0]]
		if n := here[coming[1:]]; n != 0 && n != 1 {
			t.Fatalf("%s was heard out of order", coming)
		}
	}
	for i := range clients {
		if want := 1 - i%2; here[fmt.Sprint("c", i)] != want {
			t.Errorf("client %d is there %d times by what was heard, want %d", i, here[fmt.Sprint("c", i)], want)
		}
	}
	stats, err := hubs[0].PresenceStats(t.Context(), "chat")
	if want := 1 + clients/2; err != nil || stats.Clients != want || stats.Users != want {
		t.Errorf("stats are %+v, %v; want %d each", stats, err, want)
	}
}

// Names that look like parts of keys are different channels.
func checkPresenceNames(t *testing.T, nodes cluster) {
	hubs := nodes(t, 2)
	names := []string{"chat", "chat}:members:x", "chat{", "chat}", "chat:nodes", "chat*", "chat:鐘"}
	for i, name := range names {
		enter(t, hubs[i%2], name, client(fmt.Sprint("c", i)))
	}
	for i, name := range names {
		wantPresent(t, hubs[(i+1)%2], name, fmt.Sprint("c", i), 1)
	}
	if _, err := hubs[0].Presence(t.Context(), ""); err == nil {
		t.Error("a channel without a name has a presence")
	}
}

// A broker that does not run makes nobody wait for longer than it may, and tells
// when it does; once it has stopped nobody waits.
func TestMemoryPresenceWithoutRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hub.NewMemoryBroker()
		h := hub.New(hub.Options{Broker: b})
		r := listen(t, h, "chat", "r")
		start := time.Now()
		err := b.Join(t.Context(), "chat", client("anna"))
		if d := time.Since(start); !errors.Is(err, hub.ErrUnavailable) || d > 2*time.Second {
			t.Errorf("Join = %v after %s, want ErrUnavailable within two seconds", err, d)
		}
		wantPresent(t, h, "chat", "anna", 1)
		b.Leave("chat", "anna")
		b.Leave("chat", "anna")
		b.Leave("chat", "nobody")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		synctest.Wait()
		wantComings(t, r, "+anna", "-anna")
		cancel()
		<-ended
		start = time.Now()
		if err := b.Join(t.Context(), "chat", client("late")); err != nil || time.Since(start) > 0 {
			t.Errorf("Join after the end = %v after %s", err, time.Since(start))
		}
	})
}
