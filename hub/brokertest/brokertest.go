// Package brokertest holds brokers against what package hub promises, as
// testing/slogtest does with handlers of logs. Whoever writes a broker calls
// [Run] from a test:
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, brokertest.Setup{Place: func(t *testing.T) func(*testing.T) hub.Options {
//			url := startServer(t)
//			return func(t *testing.T) hub.Options { return hub.Options{Broker: mybroker.New(url)} }
//		}})
//	}
//
// The checks see a broker through hubs, as its users do: several nodes publish,
// subscribe, recover, come, go and call one another, and what each of them hears
// is compared with what was done. Checks of what a broker, with the stores beside
// it, does not have are skipped. What it does when the system behind it is away, or
// damaged, is for its own tests.
package brokertest

import (
	"context"
	"slices"
	"testing"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// Setup says which broker is tested.
type Setup struct {
	// Place makes a place where nodes meet, and of which no other check knows: a
	// server of its own, for example. It returns what makes the parts of one more
	// node in that place. Rules and CallWait are set by the check. Checks measure
	// nothing: give a broker all the time that a busy machine may need.
	Place func(t *testing.T) (node func(t *testing.T) hub.Options)
	// Alone says that a place has one node at most, as with the memory broker.
	// That one stands for all then.
	Alone bool
}

// check is one thing that a broker has to do. Checks of one group may share the
// name of a part of [hub.Broker].
type check struct {
	name string
	run  func(*testing.T, Setup)
}

// Run runs the checks, each as a parallel subtest in a place of its own. It takes
// some seconds and a place for each of some forty checks.
func Run(t *testing.T, s Setup) {
	for group, checks := range map[string][]check{
		"messages": messageChecks, "history": historyChecks, "presence": presenceChecks, "calls": callChecks, "notes": noteChecks,
	} {
		t.Run(group, func(t *testing.T) {
			for _, c := range checks {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(t, s)
				})
			}
		})
	}
}

// nodes makes n hubs in one place and waits until they are ready. Where there is
// one node it is returned n times. Nil rules are [hub.DefaultRules], without what
// the broker does not have.
func (s Setup) nodes(t *testing.T, n int, rules hub.Rules) []*hub.Hub {
	t.Helper()
	if s.Alone {
		return slices.Repeat(s.distinct(t, 1, rules, nil), n)
	}
	return s.distinct(t, n, rules, nil)
}

// distinct makes n hubs, or the one that there can be. Those that are prepared,
// before they run, are to call one another.
func (s Setup) distinct(t *testing.T, n int, rules hub.Rules, prepare func(i int, h *hub.Hub)) (hubs []*hub.Hub) {
	t.Helper()
	node := s.Place(t)
	if s.Alone {
		n = 1
	}
	for i := range n {
		o := node(t)
		o.Rules, o.CallWait = fit(t, o, rules), hubtest.Patience
		h := hub.New(o)
		if prepare != nil {
			needSignals(t, o)
			prepare(i, h)
		}
		hubtest.RunHub(t, h)
		hubs = append(hubs, h)
	}
	for _, h := range hubs {
		hubtest.Eventually(t, hubtest.Patience, func() bool { return h.Ready(context.Background()) == nil }, "the node is ready")
	}
	return hubs
}

// fit returns rules that a node can have. A check that wants others is skipped.
func fit(t *testing.T, o hub.Options, rules hub.Rules) hub.Rules {
	t.Helper()
	_, remembers := o.Broker.(hub.HistoryStore)
	remembers = remembers || o.History != nil
	_, knows := o.Broker.(hub.PresenceStore)
	knows = knows || o.Presence != nil
	wanted := rules
	if rules == nil {
		rules = hub.DefaultRules()
	}
	for i := range rules {
		switch r := &rules[i]; {
		case wanted == nil:
			r.Presence = r.Presence && knows
			if !remembers {
				r.History = hub.History{}
			}
		case r.History.Size > 0 && !remembers:
			t.Skipf("there is no history beside a %T", o.Broker)
		case r.Presence && !knows:
			t.Skipf("there is no presence beside a %T", o.Broker)
		}
	}
	return rules
}

func needSignals(t *testing.T, o hub.Options) {
	t.Helper()
	if _, signals := o.Broker.(hub.Signaler); !signals && o.Signals == nil {
		t.Skipf("there are no calls beside a %T", o.Broker)
	}
}
