package hub_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// In a channel without history messages may have been missed. Those who were subscribed
// are told once; who comes later, or listens to the date, has missed nothing.
func TestGapWithoutHistoryIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, stop := hubtest.Run(t, hub.Options{Rules: hub.Rules{{Match: "*"}}})
		quiet, busy := hubtest.ListenForLosses(t, h, "quiet"), hubtest.ListenForLosses(t, h, "busy")
		date := hubtest.ListenForLosses(t, h, hub.DateChannel)
		hubtest.Publish(t, h, "busy", "1")
		h.HandleGap([]string{"quiet", "busy", hub.DateChannel, "nobody's"})
		late := hubtest.ListenForLosses(t, h, "busy")
		hubtest.Publish(t, h, "busy", "2")
		time.Sleep(time.Minute)
		h.HandleDoubt([]string{"quiet", "busy"})
		time.Sleep(time.Minute)
		for name, c := range map[string]struct {
			*hubtest.Loser
			want int
		}{"quiet": {quiet, 1}, "busy": {busy, 1}, "late": {late, 0}, "date": {date, 0}} {
			if n := c.Losses(); n != c.want {
				t.Errorf("%s was told %d times, want %d", name, n, c.want)
			}
		}
		busy.Want(t, "1", "2")
		late.Want(t, "2")
		h.HandleGap([]string{"busy"})
		synctest.Wait()
		time.Sleep(time.Second)
		if busy.Losses() != 2 || late.Losses() != 1 {
			t.Errorf("of the next gap %d and %d are told", busy.Losses()-1, late.Losses())
		}
		stop()
	})
}

// Ten thousand are told over a second, so that they do not come back all at once.
// Messages do not wait for that, nor does the end of the hub.
func TestManyAreToldInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, stop := hubtest.Run(t, hub.Options{Rules: hub.Rules{{Match: "chat"}}})
		var all []*hubtest.Loser
		for i := range 10_000 {
			all = append(all, hubtest.NewLoser(fmt.Sprint(i)))
			hubtest.Subscribe(t, h, "chat", all[i], hubtest.Lines{}).Start()
		}
		told := func() (n int) {
			for _, l := range all {
				n += l.Losses()
			}
			return n
		}
		h.HandleGap([]string{"chat"})
		hubtest.Publish(t, h, "chat", "1")
		time.Sleep(100 * time.Millisecond)
		if n := told(); n < 500 || n > 2000 {
			t.Errorf("%d were told in a tenth of a second, want a tenth", n)
		}
		all[9_999].Want(t, "1")
		time.Sleep(time.Second)
		if n := told(); n != len(all) {
			t.Errorf("%d were told, want %d", n, len(all))
		}
		h.HandleGap([]string{"chat"})
		synctest.Wait()
		stop()
		if n := told(); n > 11_000 {
			t.Errorf("%d were told, though the hub has stopped", n)
		}
	})
}
