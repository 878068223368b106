package redisbroker_test

import (
	"testing"

	"belfry/hub"
	"belfry/hub/brokertest"
	"belfry/hub/hubtest"
)

func TestBroker(t *testing.T) {
	brokertest.Run(t, brokertest.Setup{Place: func(t *testing.T) func(*testing.T) hub.Options {
		url := hubtest.Redis(t).URL()
		return func(t *testing.T) hub.Options {
			return hub.Options{Broker: redisBroker(t, patient(url))}
		}
	}})
}
