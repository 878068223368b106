package brokertest_test

import (
	"testing"

	"belfry/hub"
	"belfry/hub/brokertest"
	"belfry/hub/hubtest"
)

func TestMain(m *testing.M) { hubtest.Main(m) }

// bareBroker is a broker and nothing else.
type bareBroker struct{ hub.Broker }

// A broker that is nothing else is held against what it has, and stores that come
// from elsewhere against the rest.
func TestParts(t *testing.T) {
	for name, options := range map[string]func() hub.Options{
		"broker": func() hub.Options { return hub.Options{Broker: bareBroker{hub.NewMemoryBroker()}} },
		"stores": func() hub.Options {
			b := hub.NewMemoryBroker()
			return hub.Options{Broker: bareBroker{b}, History: b, Presence: b, Signals: b}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			brokertest.Run(t, brokertest.Setup{Alone: true, Place: func(*testing.T) func(*testing.T) hub.Options {
				return func(*testing.T) hub.Options { return options() }
			}})
		})
	}
}
