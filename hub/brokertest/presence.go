package brokertest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// meeting are rules with presence on chats.
var meeting = hub.Rules{{Match: "chat*", ServerPublish: true, Presence: true}, {Match: "*", ServerPublish: true}}

var presenceChecks = []check{
	{"coming and going", checkPresence},
	{"fields", checkPresenceFields},
	{"again", checkPresenceAgain},
	{"other user", checkPresenceOtherUser},
	{"off", checkPresenceOff},
	{"evicted", checkPresenceEvicted},
	{"at once", checkPresenceAtOnce},
	{"names", checkPresenceNames},
	{"bounded", checkPresenceBounded},
}

func checkPresence(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, meeting)
	anna, heardByAnna := hubtest.Enter(t, hubs[0], "chat", hubtest.Client("anna-1"))
	ben, heardByBen := hubtest.Enter(t, hubs[1], "chat", hubtest.Client("ben"))
	_, _ = hubtest.Enter(t, hubs[1], "chat", hubtest.Client("anna-2"))
	heardByAnna.WantJoinsAndLeaves(t, "+ben", "+anna-2")
	heardByBen.WantJoinsAndLeaves(t, "+anna-2")
	for _, h := range hubs {
		hubtest.WantPresent(t, h, "chat", "anna-1 anna-2 ben", 2)
		hubtest.WantPresent(t, h, "chat:2", "", 0)
	}
	anna.Cancel()
	heardByBen.WantJoinsAndLeaves(t, "+anna-2", "-anna-1")
	hubtest.WantPresent(t, hubs[1], "chat", "anna-2 ben", 2)
	ben.Cancel()
	hubtest.WantPresent(t, hubs[0], "chat", "anna-2", 1)
	heardByAnna.WantJoinsAndLeaves(t, "+ben", "+anna-2")
}

// What is known of a client arrives whole, in the message and in the presence.
func checkPresenceFields(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, meeting)
	_, r := hubtest.Enter(t, hubs[0], "chat", hubtest.Client("watcher"))
	for i, c := range []hub.ClientInfo{
		{User: "42 43", Client: "a b", ConnInfo: []byte(`{"a":1}`), ChanInfo: []byte(`[2]`)},
		{Client: "anonymous"},
		{User: "7 \x00\n1 x", Client: "c\x00\n%s{}", ConnInfo: []byte(`"` + strings.Repeat("x", 1<<16) + `"`)},
		{User: "ünï 鐘", Client: "鐘"},
	} {
		before := time.Now().UnixMilli()
		sub, _ := hubtest.Enter(t, hubs[1], "chat", c)
		there, err := hubs[0].Presence(t.Context(), "chat", 0)
		at := slices.IndexFunc(there.Clients, func(p hub.ClientInfo) bool { return p.Client == c.Client })
		if err != nil || at < 0 {
			t.Fatalf("%q is not on the channel: %v, %v", c.Client, there, err)
		}
		if diff := gocmp.Diff(c, there.Clients[at]); diff != "" {
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
	hubtest.WantPresent(t, hubs[1], "chat", "watcher", 1)
}

// A client that subscribes again while its old subscription is still there stays
// until both are gone; one that comes back has joined again.
func checkPresenceAgain(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, meeting)
	_, r := hubtest.Enter(t, hubs[0], "chat", hubtest.Client("watcher"))
	old, _ := hubtest.Enter(t, hubs[1], "chat", hubtest.Client("anna"))
	newer := hubtest.Client("anna")
	newer.ChanInfo = []byte(`"newer"`)
	again, _ := hubtest.Enter(t, hubs[1], "chat", newer)
	old.Cancel()
	old.Cancel()
	hubtest.WantPresent(t, hubs[0], "chat", "anna watcher", 2)
	there, err := hubs[0].Presence(t.Context(), "chat", 0)
	slices.SortFunc(there.Clients, func(a, b hub.ClientInfo) int { return cmp.Compare(a.Client, b.Client) })
	if err != nil || string(there.Clients[0].ChanInfo) != `"newer"` {
		t.Errorf("the presence is %v, %v; want what the newer subscription said", there, err)
	}
	again.Cancel()
	r.WantJoinsAndLeaves(t, "+anna", "-anna")
	want := []string{"+anna", "-anna"}
	for range 20 {
		sub, _ := hubtest.Enter(t, hubs[1], "chat", hubtest.Client("anna"))
		sub.Cancel()
		want = append(want, "+anna", "-anna")
	}
	hubtest.Enter(t, hubs[1], "chat", hubtest.Client("anna"))
	r.WantJoinsAndLeaves(t, append(want, "+anna")...)
	hubtest.WantPresent(t, hubs[0], "chat", "anna watcher", 2)
}

// A client that comes back as another user is counted as that one.
func checkPresenceOtherUser(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, meeting)
	first, _ := hubtest.Enter(t, hubs[0], "chat", hub.ClientInfo{User: "anna", Client: "a"})
	second, _ := hubtest.Enter(t, hubs[0], "chat", hub.ClientInfo{User: "ben", Client: "a"})
	hubtest.Enter(t, hubs[1], "chat", hub.ClientInfo{User: "ben", Client: "b"})
	hubtest.WantPresent(t, hubs[1], "chat", "a b", 1)
	first.Cancel()
	hubtest.WantPresent(t, hubs[1], "chat", "a b", 1)
	second.Cancel()
	hubtest.WantPresent(t, hubs[1], "chat", "b", 1)
}

// Channels whose rules have no presence, and subscribers that say nothing of
// themselves, are unknown.
func checkPresenceOff(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, meeting)
	_, r := hubtest.Enter(t, hubs[0], "news", hubtest.Client("anna"))
	hubtest.Enter(t, hubs[1], "news", hubtest.Client("ben"))
	_, known := hubtest.Enter(t, hubs[0], "chat", hubtest.Client("anna"))
	unnamed := hubtest.Listen(t, hubs[1], "chat", "unnamed")
	hubtest.Publish(t, hubs[1], "news", "1")
	hubtest.Publish(t, hubs[1], "chat", "1")
	r.Want(t, "1")
	known.Want(t, "1")
	hubtest.WantPresent(t, hubs[1], "news", "", 0)
	hubtest.WantPresent(t, hubs[1], "chat", "anna", 1)
	unnamed.Want(t, "1")
}

// A client that is evicted leaves.
func checkPresenceEvicted(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, meeting)
	_, r := hubtest.Enter(t, hubs[0], "chat", hubtest.Client("watcher"))
	slow := hubtest.NewRecorder("slow")
	var sub *hub.Subscription
	evicted := make(chan struct{})
	slow.OnEvict = func() { close(evicted) }
	c := hubtest.Client("slow")
	sub, err := hubs[1].Subscribe(t.Context(), "chat", slow, hubtest.Lines{}, hub.SubscribeOptions{Client: &c})
	if err != nil {
		t.Fatal(err)
	}
	slow.Refuse(true)
	sub.Start()
	hubtest.Publish(t, hubs[0], "chat", "1")
	<-evicted
	sub.Cancel()
	r.WantJoinsAndLeaves(t, "+slow", "-slow")
	hubtest.WantPresent(t, hubs[0], "chat", "watcher", 1)
}

// So many come and go at once that not all of it is told. At the end those are there
// who stayed, of whom everybody has heard, and whoever was heard of came before they
// went.
func checkPresenceAtOnce(t *testing.T, s Setup) {
	const clients = 200
	hubs := s.nodes(t, 2, meeting)
	_, r := hubtest.Enter(t, hubs[0], "chat", hubtest.Client("0"))
	var coming sync.WaitGroup
	for i := range clients {
		coming.Go(func() {
			for range 3 {
				sub, _ := hubtest.Enter(t, hubs[i%2], "chat", hubtest.Client(fmt.Sprint("c", i)))
				sub.Cancel()
			}
			if i%2 == 0 {
				hubtest.Enter(t, hubs[i%2], "chat", hubtest.Client(fmt.Sprint("c", i)))
			}
		})
	}
	coming.Wait()
	want := hub.PresenceStats{Clients: clients/2 + 1, Users: clients/2 + 1}
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		stats, err := hubs[0].PresenceStats(t.Context(), "chat")
		return err == nil && stats == want
	}, "half of them are there")
	stays := func(here []string) bool {
		return len(here) == clients/2 && !slices.ContainsFunc(here, func(name string) bool { return (name[len(name)-1]-'0')%2 == 1 })
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return stays(hereByWhatWasHeard(t, r)) }, "those who stay are heard of, and nobody else")
}

// hereByWhatWasHeard returns who has come, and has not gone since.
func hereByWhatWasHeard(t *testing.T, r *hubtest.Recorder) (here []string) {
	t.Helper()
	for _, coming := range r.JoinsAndLeaves() {
		name := coming[1:]
		at := slices.Index(here, name)
		switch there := at >= 0; {
		case there == (coming[0] == '+'):
			t.Fatalf("%s was heard out of order", coming)
		case there:
			here = slices.Delete(here, at, at+1)
		default:
			here = append(here, name)
		}
	}
	return here
}

// Names that look like parts of keys are different channels.
func checkPresenceNames(t *testing.T, s Setup) {
	hubs := s.nodes(t, 2, meeting)
	names := []string{"chat", "chat}:members:x", "chat{", "chat}", "chat:nodes", "chat*", "chat:鐘"}
	for i, name := range names {
		hubtest.Enter(t, hubs[i%2], name, hubtest.Client(fmt.Sprint("c", i)))
	}
	for i, name := range names {
		hubtest.WantPresent(t, hubs[(i+1)%2], name, fmt.Sprint("c", i), 1)
	}
	if _, err := hubs[0].Presence(t.Context(), "", 0); err == nil {
		t.Error("a channel without a name has a presence")
	}
}

// More are present, on two nodes, than there is room for in an answer: all are named,
// and the infos are left out of some. Where not even the names fit, nobody is.
func checkPresenceBounded(t *testing.T, s Setup) {
	const clients, infoSize, bytes = 1100, 1000, 256 << 10
	hubs := s.nodes(t, 2, meeting)
	var coming sync.WaitGroup
	for i := range clients {
		coming.Go(func() {
			c := hubtest.Client(fmt.Sprintf("%05d", i))
			c.ChanInfo = fmt.Appendf(nil, "%q", strings.Repeat("x", infoSize-2))
			hubtest.Enter(t, hubs[i%2], "chat", c)
		})
	}
	coming.Wait()
	there := presentOf(t, hubs[0], "chat", clients, bytes)
	size, named := 0, make(map[string]bool)
	for _, c := range there.Clients {
		size += hub.PresenceName + 2*len(c.Client) + len(c.User) + len(c.ChanInfo)
		named[c.Client] = true
	}
	infos := (size - clients*(hub.PresenceName+3*5)) / infoSize
	if len(named) != clients || size > bytes || infos < bytes/infoSize/4 || there.WithoutInfo != clients-infos {
		t.Errorf("%d of %d are named in %d bytes, %d without info and %d with", len(named), clients, size, there.WithoutInfo, infos)
	}
	if all := presentOf(t, hubs[1], "chat", clients, 0); all.WithoutInfo != 0 {
		t.Errorf("without a bound %d are without info", all.WithoutInfo)
	}
	if p, err := hubs[0].Presence(t.Context(), "chat", clients*hub.PresenceName); !errors.Is(err, hub.ErrPresenceSize) {
		t.Errorf("%d are named where there is no room, %v", len(p.Clients), err)
	}
	if stats, err := hubs[0].PresenceStats(t.Context(), "chat"); err != nil || stats.Clients != clients {
		t.Errorf("%+v are counted, %v", stats, err)
	}
}

// presentOf waits until so many are on a channel.
func presentOf(t *testing.T, h *hub.Hub, channel string, n, bytes int) (p hub.Presence) {
	t.Helper()
	hubtest.Eventually(t, hubtest.Patience, func() (all bool) {
		var err error
		p, err = h.Presence(t.Context(), channel, bytes)
		return err == nil && len(p.Clients) == n
	}, fmt.Sprint(n, " are present"))
	return p
}
