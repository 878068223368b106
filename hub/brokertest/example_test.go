package brokertest_test

import (
	"testing"

	"belfry/hub"
	"belfry/hub/brokertest"
)

// The test of a broker is a few lines: how to make a place in which nodes meet, and
// the parts of one of them.
func Example() {
	_ = func(t *testing.T) { // func TestBroker(t *testing.T)
		brokertest.Run(t, brokertest.Setup{
			Alone: true, // there is no other node in a process of one
			Place: func(t *testing.T) func(*testing.T) hub.Options {
				b := hub.NewMemoryBroker() // or start a server for t
				return func(*testing.T) hub.Options { return hub.Options{Broker: b} }
			},
		})
	}
}
