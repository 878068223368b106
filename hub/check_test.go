package hub_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// keeping are rules with a history that holds a whole test.
var keeping = hub.Rules{{Match: "*", ServerPublish: true, History: hub.History{Size: 10_000, TTL: time.Hour}}}

// deaf is a broker that keeps messages and brings none, while told to, counts how
// often it is asked for positions, and cannot tell that of the channel untold.
type deaf struct {
	*hub.MemoryBroker
	handler hub.Handler

	mu    sync.Mutex // guards what follows
	hears bool
	asked []int // channels in each question
}

func newDeaf() *deaf { return &deaf{MemoryBroker: hub.NewMemoryBroker(), hears: true} }

func (d *deaf) Attach(h hub.Handler) {
	d.handler = h
	d.MemoryBroker.Attach(d)
}

func (d *deaf) Node() string                  { return d.handler.Node() }
func (d *deaf) HandleGap(channels []string)   { d.handler.HandleGap(channels) }
func (d *deaf) HandleDoubt(channels []string) { d.handler.HandleDoubt(channels) }
func (d *deaf) HandleSignal(data []byte)      { d.handler.HandleSignal(data) }

func (d *deaf) HandleMessage(channel string, m *hub.Message) {
	d.mu.Lock()
	hears := d.hears
	d.mu.Unlock()
	if hears {
		d.handler.HandleMessage(channel, m)
	}
}

func (d *deaf) Positions(ctx context.Context, channels []string, seen []hub.Position) ([]hub.Position, error) {
	d.mu.Lock()
	d.asked = append(d.asked, len(channels))
	d.mu.Unlock()
	positions, err := d.MemoryBroker.Positions(ctx, channels, seen)
	if i := slices.Index(channels, "untold"); i >= 0 {
		positions[i], err = hub.Position{}, hub.ErrUnavailable
	}
	return positions, err
}

func (d *deaf) hear(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hears = yes
}

// questions returns those since the last call.
func (d *deaf) questions() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := d.asked
	d.asked = nil
	return asked
}

// A message that nobody brought, and that no later one shows, comes within two
// intervals, once and in its place.
func TestCheckFindsQuietGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf()
		h, stop := hubtest.Run(t, hub.Options{Broker: d, Rules: keeping})
		l := hubtest.ListenForLosses(t, h, "chat")
		hubtest.Listen(t, h, "untold", "r")
		hubtest.Publish(t, h, "chat", "1")
		d.hear(false)
		hubtest.Publish(t, h, "chat", "2")
		hubtest.Publish(t, h, "chat", "3")
		d.hear(true)
		synctest.Wait()
		l.Want(t, "1")
		time.Sleep(80 * time.Second)
		l.Want(t, "1", "2", "3")
		hubtest.Publish(t, h, "chat", "4")
		l.Want(t, "1", "2", "3", "4")
		if s := h.Stats(); s.Repaired != 2 || l.Losses() != 0 {
			t.Errorf("%+v, %d losses: want two repairs and no loss", s, l.Losses())
		}
		stop()
	})
}

// Channels without a history or without subscribers are not asked about, the
// others in parts, once in an interval.
func TestCheckAsksInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf()
		rules := append(hub.Rules{{Match: "plain*", ServerPublish: true}}, keeping...)
		h, stop := hubtest.Run(t, hub.Options{Broker: d, Rules: rules})
		for i := range 600 {
			hubtest.Listen(t, h, fmt.Sprint("c", i), "r")
			hubtest.Listen(t, h, fmt.Sprint("plain", i), "r")
		}
		hubtest.Subscribe(t, h, "left", hubtest.NewRecorder("r"), lines).Cancel()
		time.Sleep(2 * time.Minute)
		d.questions()
		time.Sleep(4 * time.Minute)
		asked := d.questions()
		slices.Sort(asked)
		if n := len(asked); n < 10 || n > 14 || asked[0] != 100 || asked[n-1] != 500 {
			t.Errorf("in four minutes questions were asked about %d channels, want 12 about 500 or 100", asked)
		}
		stop()
	})
}

// A channel on which nothing is said misses nothing, and keeps its position for
// longer than one in which nobody is interested.
func TestCheckOfQuietChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, stop := hubtest.Run(t, hub.Options{Rules: keeping})
		l := hubtest.ListenForLosses(t, h, "chat")
		before := hubtest.Publish(t, h, "chat", "1")
		time.Sleep(3 * time.Hour)
		after := hubtest.Publish(t, h, "chat", "2")
		synctest.Wait()
		if s := h.Stats(); s != (hub.Stats{}) || l.Losses() != 0 || after.Epoch != before.Epoch {
			t.Errorf("%+v, %d losses, %+v after %+v: nothing was missing", s, l.Losses(), after, before)
		}
		stop()
	})
}
