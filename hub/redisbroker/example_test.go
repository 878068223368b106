package redisbroker_test

import (
	"context"
	"log/slog"
	"os"
	"os/signal"

	"belfry/hub"
	"belfry/hub/redisbroker"
)

// A program serves the channels of a Redis until it is interrupted. Others that do
// the same with this Redis are nodes of the same hub.
func Example() {
	redisbroker.LogTo(slog.Default())
	broker, err := redisbroker.New(redisbroker.Options{URL: "redis://localhost:6379", Logger: slog.Default()})
	if err != nil {
		slog.Error("no broker", "err", err)
		return
	}
	h := hub.New(hub.Options{Broker: broker, Logger: slog.Default()})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := h.Run(ctx); err != nil {
		slog.Error("stopped", "err", err)
	}
}
