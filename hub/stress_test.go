package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// TestStress publishes, joins, leaves, stalls and closes at once and checks what
// every subscriber saw: of each publisher all from the first seen on, in order.
func TestStress(t *testing.T) {
	const publishers, guests, channels = 6, 24, 3
	h, stop := hubtest.Run(t, hub.Options{})
	deadline := time.Now().Add(2 * time.Second)
	for i := range 400 { // some that stay, in several sections
		hubtest.Listen(t, h, fmt.Sprint("chat:", i%channels), "stays")
	}
	var working sync.WaitGroup
	for p := range publishers {
		working.Go(func() {
			for n := 0; time.Now().Before(deadline); n++ {
				for c := range channels {
					hubtest.Publish(t, h, fmt.Sprint("chat:", c), fmt.Sprintf("%d %d", p, n))
				}
				time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
			}
		})
	}
	for g := range guests {
		working.Go(func() {
			for visit := 0; time.Now().Before(deadline); visit++ {
				visitChannel(t, h, fmt.Sprint("chat:", rand.IntN(channels)), fmt.Sprint("guest ", g, ".", visit))
			}
		})
	}
	working.Wait()
	stop()
	hubtest.Publish(t, h, "chat:0", "nobody hears this")
}

// visitChannel subscribes, stays for a moment and leaves, perhaps while it is
// being evicted.
func visitChannel(t *testing.T, h *hub.Hub, channel, id string) {
	r := hubtest.NewRecorder(id)
	sub, err := h.Subscribe(context.Background(), channel, r, hubtest.Lines{Name: fmt.Sprint(rand.IntN(5))}, hub.SubscribeOptions{})
	if err != nil {
		t.Error(err)
		return
	}
	r.OnEvict = sub.Cancel
	time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
	sub.Start()
	time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
	if rand.IntN(2) == 0 { // stalls for a moment, and may be evicted for it
		r.Refuse(true)
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		r.Refuse(false)
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
	}
	sub.Cancel()
	n := r.Len()
	checkContiguous(t, r)
	if r.Refused() > 1 {
		t.Errorf("%s refused %d times, want at most once", id, r.Refused())
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return r.Evicted() == r.Refused() }, "as many evictions as refusals")
	if r.Len() != n {
		t.Errorf("%s got %d messages after it had left", id, r.Len()-n)
	}
}

// checkContiguous checks messages of the form "publisher number".
func checkContiguous(t *testing.T, r *hubtest.Recorder) {
	t.Helper()
	next := make(map[int]int)
	for i, data := range r.Data() {
		var p, n int
		fmt.Sscan(data, &p, &n)
		if want, seen := next[p]; seen && n != want {
			t.Errorf("%s: message %d is number %d of publisher %d, want %d", r.ID(), i, n, p, want)
			return
		}
		next[p] = n + 1
	}
}
