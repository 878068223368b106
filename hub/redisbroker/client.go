package redisbroker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"belfry/hub"
)

// errCluster is why a Redis of a cluster cannot be used: leases and what is kept under
// them are in slots of their own, so that nobody would be present, and channels whose
// slots another node has would fail.
var errCluster = &hub.RefusedError{Reason: "this Redis is in cluster mode", Lasts: true}

// idleTime is for how long a connection of the pool may be quiet and still be used.
// What stands between may forget quiet connections without a word, which no check
// before use can see, and a publish over one is lost in the dark. Who publishes all the
// time uses the same ones, and for the others a new one costs three round trips.
const idleTime = 2 * time.Second

// client is Redis as the parts of a broker see it: a pool of connections, the names
// of things there, and what it refuses. It is safe for several goroutines.
type client struct {
	redis    *redis.Client
	timeout  time.Duration // of every question
	keys     keys
	refusals *refusals
	oddities *refusals // nothing is refused: which oddities were told
	voucher  *voucher
	logger   *slog.Logger
}

// CheckURL says whether [New] takes a URL. The error is that of New.
func CheckURL(url string) error {
	_, err := parseURL(url)
	return err
}

// parseURL reads a URL. The library's error may quote a part of the password.
func parseURL(url string) (*redis.Options, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("redis URL: redis://[user:password@]host:port[/database] or rediss://… is accepted")
	}
	return o, nil
}

// newClient returns a client that connects when it is asked for something. The
// error is that of [New].
func newClient(o Options) (*client, error) {
	ro, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if err := secure(ro, o); err != nil {
		return nil, err
	}
	if strings.ContainsAny(o.Prefix, "{}") {
		return nil, fmt.Errorf("the prefix %q of keys in Redis has a brace, which only stands around names of channels", o.Prefix)
	}
	timeout := cmp.Or(o.Timeout, DefaultTimeout)
	tune(ro, timeout)
	ro.ConnMaxIdleTime = cmp.Or(o.idle, idleTime)
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	c := &client{
		timeout: timeout, keys: keys{prefix: cmp.Or(o.Prefix, "belfry:"), selects: ro.DB != 0},
		refusals: newRefusals(logger), oddities: newRefusals(logger), logger: logger,
	}
	if ro.DB != 0 {
		c.keys.prefix += strconv.Itoa(ro.DB) + ":"
	}
	c.voucher = newVoucher(c.keys, *ro, c.refusals, logger)
	c.voucher.patience = cmp.Or(o.witness, witnessPatience)
	ro.OnConnect = c.voucher.admit
	c.redis = redis.NewClient(ro)
	c.redis.AddHook(&c.voucher.conns)
	c.redis.AddHook(c.refusals)
	return c, nil
}

// tune has the library repeat and move nothing by itself.
func tune(ro *redis.Options, timeout time.Duration) {
	ro.DialTimeout, ro.ReadTimeout, ro.WriteTimeout, ro.PoolTimeout = timeout, timeout, timeout, timeout
	ro.ContextTimeoutEnabled = true
	if ro.TLSConfig != nil {
		ro.Dialer = dialTLS(ro.TLSConfig, timeout)
	}
	ro.MaxRetries = -1 // a publish that timed out may have been done: repeating is for the publisher
	ro.DialerRetries = 1
	ro.DisableIdentity = true // which the user would need a right for
	// Otherwise go-redis may move a connection without telling.
	ro.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// examine finds out whether a Redis that was just connected to can be used. What is
// asked for before that, such as the position of a channel, does not wait for it.
func (c *client) examine(ctx context.Context) {
	hello := redis.NewMapStringInterfaceCmd(ctx, "hello")
	// One that does not know the question is too old for what it asks.
	_ = c.redis.Process(ctx, hello)
	var unfit error
	if hello.Val()["mode"] == "cluster" {
		unfit = errCluster
	}
	c.refusals.examined(unfit, mendCluster)
	c.examineMemory(ctx)
}

// examineMemory warns of a Redis that takes messages until its machine has no memory
// left, or that lets go of what channels remember when it has none. Either works until
// then.
func (c *client) examineMemory(ctx context.Context) {
	info := c.redis.Info(ctx, "memory").Val() // one that may not be asked is not warned of
	is := make(map[string]string)
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		is[key] = value
	}
	switch policy := is["maxmemory_policy"]; {
	case is["maxmemory"] == "0":
		c.refusals.warn("maxmemory", "nothing bounds what channels remember in this Redis", "reason", "maxmemory is 0", "mend", mendMemory)
	case policy != "" && policy != "noeviction":
		c.refusals.warn("policy", "this Redis loses messages when it is out of memory", "reason", "maxmemory-policy is "+policy, "mend", mendPolicy)
	}
}

// scripted runs commands that use scripts, in one round trip, and once more after
// loading the scripts when Redis does not know one, as after a restart.
func (c *client) scripted(ctx context.Context, script *redis.Script, commands func(redis.Pipeliner), more ...*redis.Script) error {
	for try := 0; ; try++ {
		_, err := c.redis.Pipelined(ctx, func(p redis.Pipeliner) error { commands(p); return nil })
		if err == nil || try > 0 || !strings.HasPrefix(err.Error(), "NOSCRIPT") {
			return err
		}
		for _, s := range append([]*redis.Script{script}, more...) {
			if err := s.Load(ctx, c.redis).Err(); err != nil {
				return err
			}
		}
	}
}

// unreadable notes that something is in Redis which is not ours: a message, a member.
// A few are logged in a minute.
func (c *client) unreadable(what, channel string, err error) {
	c.oddities.warn(channel+" "+err.Error(), "skipped what is no "+what+" of ours", "channel", channel, "err", err)
}

// pause waits, or returns at once when the context ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
