package redisbroker_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// printed is a log of go-redis that somebody else in the program has set.
type printed struct{ buffer *hubtest.Log }

func (p printed) Printf(_ context.Context, format string, values ...any) {
	fmt.Fprintf(p.buffer, format+"\n", values...)
}

// The log of go-redis is that of the whole program. A broker leaves it alone; who
// wants it hears what there is, at the level of debug.
func TestLogOfTheLibrary(t *testing.T) {
	t.Cleanup(func() { redisbroker.LogTo(slog.New(slog.DiscardHandler)) })
	var theirs, ours hubtest.Log
	redis.SetLogger(printed{&theirs})
	failToAsk(t)
	if theirs.String() == "" {
		t.Error("a broker has taken the log of go-redis away")
	}
	redisbroker.LogTo(slog.New(slog.NewTextHandler(&ours, &slog.HandlerOptions{Level: slog.LevelDebug})))
	failToAsk(t)
	if got := ours.String(); !strings.Contains(got, "level=DEBUG") || !strings.Contains(got, "go-redis: ") || strings.Contains(got, "level=WARN") {
		t.Errorf("the logger heard %q, want what go-redis says, at the level of debug", got)
	}
}

// failToAsk has go-redis try to reach a Redis that is not there.
func failToAsk(t *testing.T) {
	t.Helper()
	b := redisBroker(t, redisbroker.Options{URL: fmt.Sprint("redis://127.0.0.1:", hubtest.FreePort(t))})
	if _, err := b.PresenceStats(t.Context(), "chat"); err == nil {
		t.Error("a Redis that is not there has answered")
	}
}
