package redisbroker

import (
	"fmt"
	"slices"
	"testing"
)

// isOpen reports whether those who wait have been let go.
func isOpen(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// confirmations that Redis sends for an earlier SUBSCRIBE say nothing about a
// later one, when an UNSUBSCRIBE went out between the two.
func TestInterestIgnoresAnOldConfirmation(t *testing.T) {
	w := newInterests()
	w.connect()
	w.want("chat")
	var sent []string // what Redis will confirm, in order
	work := func() {
		subscribe, unsubscribe := w.work(subscribeBatch)
		for range unsubscribe {
			sent = append(sent, "unsubscribe")
		}
		for range subscribe {
			sent = append(sent, "subscribe")
		}
	}
	work()
	w.unwant("chat")
	work()
	confirmed := w.want("chat")
	work()
	live := false // at Redis, as the confirmations come in
	for range 10 {
		if len(sent) == 0 {
			break
		}
		kind := sent[0]
		sent = sent[1:]
		if live = kind == "subscribe"; live {
			w.confirm("chat")
		}
		if isOpen(confirmed) && (!live || slices.Contains(sent, "unsubscribe")) {
			t.Fatal("the subscription counts as confirmed before Redis has made it")
		}
		work()
	}
	if !isOpen(confirmed) || !live {
		t.Errorf("in the end the subscription is confirmed: %t, live at Redis: %t", isOpen(confirmed), live)
	}
}

// An interest that nobody has any more is let go of once it was confirmed.
func TestInterestEndsAfterItsConfirmation(t *testing.T) {
	w := newInterests()
	w.connect()
	w.want("chat")
	w.work(subscribeBatch)
	w.unwant("chat")
	_, early := w.work(subscribeBatch)
	w.confirm("chat")
	_, late := w.work(subscribeBatch)
	if n := len(early) + len(late); n != 1 || len(w.channels) != 0 {
		t.Errorf("%d times unsubscribed and %d channels kept, want 1 and 0", n, len(w.channels))
	}
}

// Clients come and go while Redis is away; what they wanted must not pile up.
func TestInterestsKeepNothingUnwantedWhileAway(t *testing.T) {
	w := newInterests()
	w.connect()
	w.want("kept")
	w.want("left")
	w.work(subscribeBatch)
	w.disconnect()
	for i := range 1000 {
		name := fmt.Sprint(i)
		w.want(name)
		w.unwant(name)
	}
	w.unwant("left")
	if len(w.channels) != 1 || len(w.changed) > 1 {
		t.Errorf("%d channels are kept and %d noted, want 1 each", len(w.channels), len(w.changed))
	}
	w.connect()
	subscribe, unsubscribe := w.work(subscribeBatch)
	if !slices.Equal(subscribe, []string{"kept"}) || len(unsubscribe) > 0 {
		t.Errorf("a new connection subscribes to %q and unsubscribes from %q", subscribe, unsubscribe)
	}
}

// A confirmation that comes after the subscriber was let in is that of a gap.
func TestInterestConfirmedLate(t *testing.T) {
	w := newInterests()
	w.connect()
	w.want("chat")
	w.work(subscribeBatch)
	w.late("chat")
	if !w.confirm("chat") {
		t.Error("nobody hears that messages may have been missed before the confirmation")
	}
	w.late("chat")
	if w.confirm("chat") {
		t.Error("a gap after the confirmation")
	}
}

func TestInterestWorkIsBounded(t *testing.T) {
	w := newInterests()
	w.connect()
	for i := range 1201 {
		w.want(fmt.Sprint(i))
	}
	var sizes []int
	for subscribe, _ := w.work(500); len(subscribe) > 0; subscribe, _ = w.work(500) {
		sizes = append(sizes, len(subscribe))
	}
	if !slices.Equal(sizes, []int{500, 500, 201}) {
		t.Errorf("1,201 channels go out as %v", sizes)
	}
}
