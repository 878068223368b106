package redisbroker_test

import (
	"log/slog"
	"testing"

	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

func TestMain(m *testing.M) {
	redisbroker.LogTo(slog.New(slog.DiscardHandler)) // many tests stop Redis
	hubtest.Main(m)
}
