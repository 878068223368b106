package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"belfry/hub"
)

// brokerTimeout bounds every question to Redis, so that a publisher hears
// within two seconds that it is away.
const brokerTimeout = 1500 * time.Millisecond

// go-redis writes to standard error for each try to connect. All it has to say
// comes back in errors as well.
func init() { logging.Disable() }

// Options say which Redis carries the messages. Every node of a cluster
// needs the same.
type Options struct {
	// URL is redis:// or rediss:// (TLS) with user, password, host, port and
	// database, as [redis.ParseURL] reads it.
	URL string
	// Prefix stands before every key and Pub/Sub channel. Empty: "belfry:". A
	// database other than 0 is added to it, because to Redis the databases
	// share their Pub/Sub channels.
	Prefix string
	// PresenceTTL is when the clients of a node that died without a word are
	// forgotten at the latest; at least a second. Zero: DefaultPresenceTTL.
	PresenceTTL time.Duration
	// Logger hears of Redis going and coming. Nil: discards.
	Logger *slog.Logger
}

// Broker is the broker of several nodes: messages travel by Redis
// Pub/Sub, over one connection for each node.
type Broker struct {
	client  *redis.Client
	keys    keys
	logger  *slog.Logger
	handler hub.Handler
	wanted  interests
	// presence is that of this node's clients.
	presence presence
	lanes    *lanes
	// publishWait is brokerTimeout, but in tests that hold publishes back.
	publishWait time.Duration
}

// New returns a broker that connects when it runs. The error says
// what URL is accepted, and does not show the one given, because of the password.
func New(o Options) (*Broker, error) {
	ro, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, errors.New("redis URL: redis://[user:password@]host:port[/database] or rediss://… is accepted")
	}
	ro.DialTimeout, ro.ReadTimeout, ro.WriteTimeout, ro.PoolTimeout = brokerTimeout, brokerTimeout, brokerTimeout, brokerTimeout
	ro.ContextTimeoutEnabled = true
	ro.MaxRetries = -1 // a publish that timed out may have been done: repeating is for the publisher
	ro.DialerRetries = 1
	// Otherwise go-redis may move a connection without telling.
	ro.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	b := &Broker{client: redis.NewClient(ro), keys: keys{o.Prefix}, logger: o.Logger, wanted: newInterests(), presence: newPresence(o.PresenceTTL), publishWait: brokerTimeout}
	b.lanes = newLanes(b.client)
	if b.keys.prefix == "" {
		b.keys.prefix = "belfry:"
	}
	if ro.DB != 0 {
		b.keys.prefix += strconv.Itoa(ro.DB) + ":"
	}
	if b.logger == nil {
		b.logger = slog.New(slog.DiscardHandler)
	}
	return b, nil
}

// Attach implements [hub.Broker].
func (b *Broker) Attach(h hub.Handler) { b.handler = h }

// Ready implements [hub.Broker].
func (b *Broker) Ready(ctx context.Context) error {
	if !b.wanted.connected() {
		return fmt.Errorf("%w: no Pub/Sub connection to Redis", hub.ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	return unavailable("ping", b.client.Ping(ctx).Err())
}
