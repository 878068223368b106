package hub_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// bareBroker is a broker and nothing else.
type bareBroker struct{ hub.Broker }

// A broker need not keep histories, know who is there, or carry calls. What no
// rule wants is not missed; a call is refused.
func TestBareBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := hub.Rules{{Match: "*", ServerPublish: true}}
		h, stop := hubtest.Run(t, hub.Options{Broker: bareBroker{hub.NewMemoryBroker()}, Rules: rules})
		_, r := hubtest.Enter(t, h, "chat", hubtest.Client("anna"))
		hubtest.Enter(t, h, "chat", hubtest.Client("ben"))
		if p := hubtest.Publish(t, h, "chat", "1"); p != (hub.Position{}) {
			t.Errorf("published at %+v", p)
		}
		sub := hubtest.Recover(t, h, "chat", hubtest.NewRecorder("late"), hub.Position{Epoch: "e", Offset: 1})
		if sub.Recovered || sub.Position != (hub.Position{}) {
			t.Errorf("recovered %t at %+v", sub.Recovered, sub.Position)
		}
		h.HandleGap([]string{"chat"})
		synctest.Wait()
		r.Want(t, "1")
		hubtest.WantPresent(t, h, "chat", "", 0)
		history, err := h.History(t.Context(), "chat", hub.HistoryOptions{Limit: -1})
		if err = errors.Join(err, h.RemoveHistory(t.Context(), "chat")); err != nil || len(history.Messages) > 0 {
			t.Errorf("history %+v, %v", history, err)
		}
		if _, err := h.CallAll(t.Context(), "echo", nil); !errors.Is(err, hub.ErrUnavailable) {
			t.Errorf("CallAll = %v, want ErrUnavailable", err)
		}
		stop()
	})
}

// A rule that wants what there is not is a fault of the program, found at once.
func TestMissingStore(t *testing.T) {
	for option, rule := range map[string]hub.Rule{
		"Options.History":  {Match: "*", History: hub.History{Size: 1}},
		"Options.Presence": {Match: "*", Presence: true},
	} {
		t.Run(option, func(t *testing.T) {
			defer func() {
				if said, _ := recover().(string); !strings.Contains(said, option) || !strings.Contains(said, "bareBroker") {
					t.Errorf("New panicked with %q, want %s and the broker's type in it", said, option)
				}
			}()
			hub.New(hub.Options{Broker: bareBroker{hub.NewMemoryBroker()}, Rules: hub.Rules{rule}})
		})
	}
}

// fixedPresence is a presence that comes from elsewhere.
type fixedPresence struct{ hub.PresenceStore }

func (fixedPresence) Join(context.Context, string, hub.ClientInfo) error { return nil }
func (fixedPresence) Leave(string, string)                               {}
func (fixedPresence) Presence(context.Context, string, int) (hub.Presence, error) {
	return hub.Presence{Clients: []hub.ClientInfo{{Client: "from elsewhere"}}}, nil
}
func (fixedPresence) PresenceStats(context.Context, string) (hub.PresenceStats, error) {
	return hub.PresenceStats{Clients: 7}, nil
}

// A store that is given comes before the broker that is one as well.
func TestStoreFromElsewhere(t *testing.T) {
	h := hub.New(hub.Options{Presence: fixedPresence{}})
	hubtest.Enter(t, h, "chat", hubtest.Client("anna"))
	stats, err := h.PresenceStats(t.Context(), "chat")
	if got := hubtest.Present(h, "chat"); got != "from elsewhere" || err != nil || stats.Clients != 7 {
		t.Errorf("present is %q, and stats are %+v, %v", got, stats, err)
	}
}
