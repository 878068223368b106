package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

const (
	// refusedFor is how long a node is not ready after Redis has refused what no
	// waiting ends. What is refused is tried again sooner: leases four times a
	// second, and the date once.
	refusedFor = 10 * time.Second
	// warnEvery is how often one reason is warned of, and maxReasons how many are
	// in that time.
	warnEvery  = time.Minute
	maxReasons = 20
)

// refusals remember what Redis does not do for Belfry. They see every answer to
// what the client asks, as a hook of it, and what [client.examine] finds; what
// comes by Pub/Sub they do not see. They are safe for several goroutines.
type refusals struct {
	logger *slog.Logger

	mu     sync.Mutex           // guards what follows
	unfit  error                // why this Redis cannot be used, as long as the connection lasts; nil: it can
	last   error                // the newest refusal that lasts
	until  time.Time            // and for how long it counts
	warned map[string]time.Time // reasons, and when they were warned of
}

// newRefusals returns refusals that warn by a logger.
func newRefusals(logger *slog.Logger) *refusals {
	return &refusals{logger: logger, warned: make(map[string]time.Time)}
}

// err returns why the node cannot do its work, or nil.
func (r *refusals) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.unfit != nil:
		return fmt.Errorf("%w: %w", hub.ErrUnavailable, r.unfit)
	case time.Now().Before(r.until):
		return fmt.Errorf("%w: %w: %w", hub.ErrUnavailable, refusalOf(r.last), r.last)
	}
	return nil
}

// examined notes why a Redis that was connected to cannot be used, or nil when it
// can. What an earlier one has refused counts no more.
func (r *refusals) examined(unfit error, mend string) {
	r.mu.Lock()
	r.unfit, r.until = unfit, time.Time{}
	r.mu.Unlock()
	if unfit != nil {
		r.warn(mend, "this Redis cannot be used, so this node is not ready", "err", unfit, "mend", mend)
	}
}

// lasts notes that something was refused for longer than a moment. The mend may be
// empty.
func (r *refusals) lasts(asked string, err error, mend string) {
	reason := keyOf(err)
	if mend == mendCluster {
		err = fmt.Errorf("%w: %w", errCluster, err)
	}
	r.mu.Lock()
	r.last, r.until = fmt.Errorf("refused by Redis: %s: %w", asked, err), time.Now().Add(refusedFor)
	r.mu.Unlock()
	r.warn(reason, "this node is not ready: Redis refuses what Belfry needs", "asked", asked, "err", err, "mend", mend)
}

// ended notes that what was refused until now counts no more.
func (r *refusals) ended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = time.Time{}
}

// passes notes that something was refused which time may end.
func (r *refusals) passes(asked string, err error) {
	r.warn(err.Error(), "Redis refuses for now what it is asked", "asked", asked, "err", err)
}

// warn warns of a reason, at most once a minute.
func (r *refusals) warn(reason, text string, attributes ...any) {
	if r.isNew(reason) {
		r.logger.Warn(text, attributes...)
	}
}

// isNew reports whether a reason may be warned of, and notes that it is. It is for
// those who write to the log in their own words.
func (r *refusals) isNew(reason string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(r.warned, func(_ string, at time.Time) bool { return now.Sub(at) >= warnEvery })
	if _, told := r.warned[reason]; told || len(r.warned) >= maxReasons {
		return false
	}
	r.warned[reason] = now
	return true
}

// DialHook implements [redis.Hook].
func (r *refusals) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (r *refusals) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, c redis.Cmder) error {
		ctx, g := greet(ctx)
		err := next(ctx, c) // which the command is given later
		if c.Name() == "hello" {
			g.note(err)
		} else {
			err = g.instead(err)
		}
		r.see(c, err)
		return err
	}
}

// ProcessPipelineHook implements [redis.Hook].
func (r *refusals) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		ctx, g := greet(ctx)
		err := next(ctx, commands)
		stamp(commands, err)
		for _, c := range commands {
			if fault := c.Err(); fault != nil {
				c.SetErr(g.instead(fault))
			}
			r.see(c, c.Err())
		}
		return g.instead(err)
	}
}

// stamp gives commands the error for which there is no connection, which the library
// forgets when it is an answer of Redis.
func stamp(commands []redis.Cmder, err error) {
	if err == nil || slices.ContainsFunc(commands, func(c redis.Cmder) bool { return c.Err() != nil }) {
		return
	}
	for _, c := range commands {
		c.SetErr(err)
	}
}

// greeting is what has come of the first command over a connection that was made for
// another. A Redis that lets nobody in says why at this command, and hangs up; the
// library goes on with the next, and sees nothing but a broken connection.
type greeting struct{ refused error }

// greetingKey is where a context has a greeting.
type greetingKey struct{}

func greet(ctx context.Context) (context.Context, *greeting) {
	if g, under := ctx.Value(greetingKey{}).(*greeting); under {
		return ctx, g
	}
	g := new(greeting)
	return context.WithValue(ctx, greetingKey{}, g), g
}

var errHungUp = errors.New("the address hangs up at the first command")

func (g *greeting) note(err error) {
	switch {
	case err == nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), isTimeout(err):
	case isReply(err), isAboutTLS(err):
		g.refused = err
	default:
		g.refused = fmt.Errorf("%w: %w", errHungUp, err)
	}
}

// instead is what to say of a connection that broke.
func (g *greeting) instead(err error) error {
	if err == nil || g.refused == nil || isReply(err) || isTimeout(err) || errors.Is(err, g.refused) {
		return err
	}
	return g.refused
}

func isTimeout(err error) bool {
	var way net.Error
	return errors.As(err, &way) && way.Timeout()
}

// see notes what has come of a command.
func (r *refusals) see(c redis.Cmder, err error) {
	// The first is asked for a warning only, and of the other whoever asks has more to say.
	if err == nil || c.Name() == "info" || nameOf(c) == "the script rights.lua" {
		return
	}
	switch a, known := answerOf(err); {
	case a.mend == mendCommands && c.Name() == "hello": // the library does without
	case a.mend != "":
		r.lasts(nameOf(c), err, a.mend)
	case known:
		r.passes(nameOf(c), err)
	}
}

// nameOf is what a command is called in the log: its name, or that of its script.
func nameOf(c redis.Cmder) string {
	if len(c.Args()) < 2 {
		return c.Name()
	}
	script := fmt.Sprint(c.Args()[1])
	if c.Name() == "eval" {
		script = redis.NewScript(script).Hash()
	}
	if name, ours := scriptNames[script]; ours {
		return "the script " + name
	}
	return c.Name()
}
