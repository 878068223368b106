package hub_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// crowd are the clients on a channel, each of whom hears of the others.
type crowd struct {
	t     *testing.T
	hub   *hub.Hub
	bytes atomic.Int64 // of joins and leaves that all have heard
}

// inCrowd gives a test a channel with presence, where waiting takes no time.
func inCrowd(t *testing.T, test func(*testing.T, *crowd)) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := hubtest.Run(t, hub.Options{Rules: hub.Rules{{Match: "chat", Presence: true}}})
		test(t, &crowd{t: t, hub: h})
	})
}

// comes adds a client with half a kilobyte of info.
func (c *crowd) comes(name string) (*hub.Subscription, *hubtest.Recorder) {
	c.t.Helper()
	r := hubtest.NewRecorder(name)
	r.OnDeliver = func(_ *hub.Subscription, d hub.Delivery) {
		for _, m := range d.Messages {
			c.bytes.Add(int64(len(`{"push":{"channel":"chat","leave":{"info":{"user":"","client":""}}}}`) + len(m.Info.Client) + len(m.Info.ChanInfo)))
		}
	}
	info := hub.ClientInfo{Client: name, ChanInfo: fmt.Appendf(nil, "%q", strings.Repeat("x", 498))}
	sub, err := c.hub.Subscribe(context.Background(), "chat", r, hubtest.Lines{}, hub.SubscribeOptions{Client: &info})
	if err != nil {
		c.t.Fatal(err)
	}
	sub.Start()
	return sub, r
}

// fill adds so many clients, a hundred in a second, and waits until all was told.
func (c *crowd) fill(n int) (first *hubtest.Recorder) {
	for i := range n {
		_, r := c.comes(fmt.Sprintf("client-%020d", i))
		if first == nil {
			first = r
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(time.Minute)
	return first
}

// TestJoinsOfACrowdAreBounded has 600 join, each of whom would hear at once of all who
// come after, whole: 100 MiB. They hear of all, and of fewer whole.
func TestJoinsOfACrowdAreBounded(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		first := c.fill(600)
		if all := c.bytes.Load(); all > 32<<20 {
			t.Errorf("600 clients that joined were sent %d MiB of joins", all>>20)
		}
		if got := first.JoinsAndLeaves(); len(got) != 599 {
			t.Errorf("the first has heard of %d, want 599", len(got))
		}
		infos := 0
		for _, m := range first.Messages() {
			infos += len(m.Info.ChanInfo) / 500
		}
		if infos < 100 || infos == 599 {
			t.Errorf("the first was told %d infos", infos)
		}
	})
}

// TestCrowdHearsWhatChanged has some come and go while many do: who is there in the end
// is told, and nothing of those who only passed.
func TestCrowdHearsWhatChanged(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		first := c.fill(300)
		stays, _ := c.comes("stays")
		time.Sleep(time.Minute)
		var passing []*hub.Subscription
		for i := range 50 { // more than is told at once
			sub, _ := c.comes(fmt.Sprint("passes-", i))
			passing = append(passing, sub)
		}
		synctest.Wait()
		heard := len(first.JoinsAndLeaves())
		for _, sub := range passing {
			sub.Cancel()
		}
		stays.Cancel()
		c.comes("stays")
		last, _ := c.comes("last")
		last.Cancel()
		c.comes("last")
		time.Sleep(time.Minute)
		told := first.JoinsAndLeaves()[heard:]
		news := slices.DeleteFunc(slices.Clone(told), func(what string) bool { return strings.Contains(what, "passes") })
		if want := []string{"-stays", "+stays", "+last"}; !slices.Equal(news, want) || len(told) != heard-300+3 {
			t.Errorf("heard of %q, want %q, and that those %d left who were told to come", told, want, heard-300)
		}
		if here := hubtest.Present(c.hub, "chat"); len(strings.Fields(here)) != 302 {
			t.Errorf("present are %q", here)
		}
	})
}

// TestCrowdIsToldInParts has so many come at once that their names are told in parts.
func TestCrowdIsToldInParts(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		first := c.fill(600)
		var coming []*hub.Subscription
		for i := range 200 {
			sub, _ := c.comes(fmt.Sprintf("late-%020d", i))
			coming = append(coming, sub)
		}
		heard := func() int {
			synctest.Wait()
			return len(first.JoinsAndLeaves()) - 599
		}
		last := heard()
		for range 3 {
			time.Sleep(time.Second)
			if n := heard() - last; n < 10 || n > 60 {
				t.Errorf("%d names were told in a second", n)
			}
			last = heard()
		}
		for _, sub := range coming {
			sub.Cancel() // those of whom nobody has heard leave without a word
		}
		time.Sleep(time.Minute)
		if got := heard(); got != 2*last {
			t.Errorf("%d joins and leaves were told, of %d who were told to be there", got, last)
		}
	})
}

// TestFewAreToldAtOnce has everybody hear of everybody, whole, and at once.
func TestFewAreToldAtOnce(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		_, first := c.comes("first")
		for i := range 50 {
			sub, _ := c.comes(fmt.Sprint("next-", i))
			synctest.Wait()
			if got := len(first.JoinsAndLeaves()); got != i+1 {
				t.Fatalf("the first has heard of %d, want %d", got, i+1)
			}
			if i == 49 {
				sub.Cancel()
			}
		}
		synctest.Wait()
		got := first.Messages()
		if last := got[len(got)-1]; len(got) != 51 || last.Kind != hub.KindLeave || len(last.Info.ChanInfo) != 500 {
			t.Errorf("%d were told, at last %+v", len(got), last)
		}
	})
}

// TestChangesEndWithTheHub leaves somebody waiting to be told of.
func TestChangesEndWithTheHub(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		for i := range 200 {
			c.comes(fmt.Sprint("client-", i))
		}
	})
}
