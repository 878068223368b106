package redisbroker

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo hands what go-redis has to say by itself to a logger, at the level of debug.
// There is one such log in a program, which go-redis writes to standard error
// otherwise, a line for each try to connect; so this is for the program to call, and
// a broker does not. Nothing is missed without: what matters comes back in errors.
func LogTo(l *slog.Logger) { redis.SetLogger(libraryLog{l}) }

type libraryLog struct{ logger *slog.Logger }

// Printf implements what [redis.SetLogger] takes.
func (l libraryLog) Printf(ctx context.Context, format string, values ...any) {
	if l.logger.Enabled(ctx, slog.LevelDebug) {
		l.logger.DebugContext(ctx, "go-redis: "+fmt.Sprintf(format, values...))
	}
}
