package hub_test

import (
	"testing"

	"belfry/hub"
	"belfry/hub/brokertest"
)

func TestMemoryBroker(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, brokertest.Setup{Alone: true, Place: func(*testing.T) func(*testing.T) hub.Options {
		b := hub.NewMemoryBroker()
		return func(*testing.T) hub.Options { return hub.Options{Broker: b} }
	}})
}
