package hub_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// clock is a subscriber of the date that notes when each tick came.
type clock struct {
	*hubtest.Recorder
	mu    sync.Mutex
	times []time.Time
}

func watch(t *testing.T, h *hub.Hub, id string) *clock {
	c := &clock{Recorder: hubtest.NewRecorder(id)}
	c.OnDeliver = func(_ *hub.Subscription, d hub.Delivery) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for range d.Messages {
			c.times = append(c.times, time.Now())
		}
	}
	hubtest.Subscribe(t, h, hub.DateChannel, c, lines).Start()
	return c
}

// wantTicks checks that n ticks came, one for each second from the first, each
// at most late after its second.
func (c *clock) wantTicks(t *testing.T, n int, late time.Duration) {
	t.Helper()
	ticks := c.Messages()
	if len(ticks) != n {
		t.Fatalf("%s: %d ticks, want %d: %q", c.ID(), len(ticks), n, c.Data())
	}
	for i, m := range ticks {
		second := time.Unix(ticks[0].Tick+int64(i), 0)
		data, _ := json.Marshal(second.UTC().Format(http.TimeFormat))
		if m.Tick != second.Unix() || m.Time != second.UnixMilli() || string(m.Data) != string(data) {
			t.Errorf("%s: tick %d is %+v with %s, want that of %s", c.ID(), i, m, m.Data, data)
		}
		if d := c.times[i].Sub(second); d < 0 || d > late {
			t.Errorf("%s: the tick of %s came %s after its second, want at most %s", c.ID(), data, d, late)
		}
	}
}

func TestTickEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(300 * time.Millisecond) // not started on the second
		h, _ := hubtest.Run(t, hub.Options{})
		c := watch(t, h, "clock")
		time.Sleep(90 * time.Second)
		c.wantTicks(t, 90, 0)
	})
}

func TestTickOnceInTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		var clocks []*clock
		for _, id := range []string{"first", "second", "third"} {
			h, _ := hubtest.Run(t, hub.Options{Broker: w.node()})
			clocks = append(clocks, watch(t, h, id))
		}
		time.Sleep(20*time.Second + 500*time.Millisecond)
		for _, c := range clocks {
			c.wantTicks(t, 20, 0)
		}
		if w.accepted != 20 {
			t.Errorf("the broker accepted %d ticks, want 20", w.accepted)
		}
	})
}

// The clock never stops: not when the broker goes, nor while it is away, nor
// when it comes back, nor when it takes ticks and brings none.
func TestTickWithoutTheBroker(t *testing.T) {
	for _, c := range []struct {
		name         string
		away, silent bool
	}{{"away", true, false}, {"silent", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown()
				var clocks []*clock
				for _, id := range []string{"first", "second"} {
					h, _ := hubtest.Run(t, hub.Options{Broker: w.node()})
					clocks = append(clocks, watch(t, h, id))
				}
				time.Sleep(5*time.Second + 500*time.Millisecond)
				w.set(c.away, c.silent)
				time.Sleep(5 * time.Second)
				w.set(false, false)
				time.Sleep(5 * time.Second)
				for _, c := range clocks {
					c.wantTicks(t, 15, 500*time.Millisecond)
				}
			})
		})
	}
}

// ticks hands ticks to a hub as its broker would and returns those delivered.
func ticks(t *testing.T, seconds ...int64) (delivered []int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		r := hubtest.Listen(t, h, hub.DateChannel, "clock")
		for _, s := range seconds {
			h.HandleMessage(hub.DateChannel, &hub.Message{Data: []byte(`"now"`), Tick: s})
		}
		synctest.Wait()
		for _, m := range r.Messages() {
			delivered = append(delivered, m.Tick)
		}
	})
	return delivered
}

func TestLateTicks(t *testing.T) {
	for _, c := range []struct {
		name       string
		send, want []int64
	}{
		{"in order", []int64{1000, 1001, 1002}, []int64{1000, 1001, 1002}},
		{"twice", []int64{1000, 1000, 1001}, []int64{1000, 1001}},
		{"late", []int64{1000, 1001, 1000, 1002}, []int64{1000, 1001, 1002}},
		{"a gap", []int64{1000, 1010}, []int64{1000, 1010}},
		{"nearly a minute late", []int64{1000, 941, 1001}, []int64{1000, 1001}},
		{"of another clock, an hour behind", []int64{1000, -2600, 1001, -2599, 1002}, []int64{1000, 1001, 1002}},
		{"messages that are no ticks", []int64{1000, 0, 0, 1000}, []int64{1000, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ticks(t, c.send...); !slices.Equal(got, c.want) {
				t.Errorf("of the ticks %v came %v, want %v", c.send, got, c.want)
			}
		})
	}
}
