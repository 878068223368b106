package main

import (
	"context"
	"fmt"
	"log/slog"
)

// redisLog takes what go-redis says by itself, which otherwise goes to standard
// error as it is. The broker tells what matters; this is for debugging.
type redisLog struct{ logger *slog.Logger }

// Printf is called by go-redis.
func (l redisLog) Printf(ctx context.Context, format string, v ...any) {
	l.logger.DebugContext(ctx, "go-redis", "text", fmt.Sprintf(format, v...))
}
