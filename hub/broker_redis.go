package hub

import (
	"context"
	_ "embed" // for the scripts
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// brokerTimeout bounds every question to Redis, so that a publisher hears
// within two seconds that it is away.
const brokerTimeout = 1500 * time.Millisecond

//go:embed publish.lua
var publishSource string

var publishScript = redis.NewScript(publishSource)

// go-redis writes to standard error for each try to connect. All it has to say
// comes back in errors as well.
func init() { logging.Disable() }

// RedisOptions say which Redis carries the messages. Every node of a cluster
// needs the same.
type RedisOptions struct {
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

// RedisBroker is the broker of several nodes: messages travel by Redis
// Pub/Sub, over one connection for each node.
type RedisBroker struct {
	client  *redis.Client
	prefix  string
	logger  *slog.Logger
	handler Handler
	wanted  interests
	// presence is that of this node's clients.
	presence presence
}

// NewRedisBroker returns a broker that connects when it runs. The error says
// what URL is accepted, and does not show the one given, because of the password.
func NewRedisBroker(o RedisOptions) (*RedisBroker, error) {
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
	b := &RedisBroker{client: redis.NewClient(ro), prefix: o.Prefix, logger: o.Logger, wanted: newInterests(), presence: newPresence(o.PresenceTTL)}
	if b.prefix == "" {
		b.prefix = "belfry:"
	}
	if ro.DB != 0 {
		b.prefix += strconv.Itoa(ro.DB) + ":"
	}
	if b.logger == nil {
		b.logger = slog.New(slog.DiscardHandler)
	}
	return b, nil
}

// Attach implements [Broker].
func (b *RedisBroker) Attach(h Handler) { b.handler = h }

// Publish implements [Broker].
func (b *RedisBroker) Publish(ctx context.Context, channel string, m *Message, o PublishOptions) (PublishResult, error) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	envelope := appendEnvelope(make([]byte, 0, len(m.Data)+64), m)
	if o.IdempotencyKey == "" && !o.History.on() {
		payload := append([]byte("0 \n"), envelope...)
		return PublishResult{}, unavailable("publish", b.client.Publish(ctx, b.topic(channel), payload).Err())
	}
	r, err := parsePublishReply(b.publish(ctx, channel, envelope, o))
	return r, unavailable("publish", err)
}

// publish runs the script.
func (b *RedisBroker) publish(ctx context.Context, channel string, envelope []byte, o PublishOptions) *redis.Cmd {
	once, ttl := b.streamKey(channel), time.Duration(0)
	if o.IdempotencyKey != "" {
		once, ttl = b.idempotencyKey(channel, o.IdempotencyKey), o.ttl()
	}
	history := o.History.ttl()
	return publishScript.Run(ctx, b.client, []string{once, b.streamKey(channel), b.positionKey(channel)},
		ttl.Milliseconds(), b.topic(channel), envelope,
		o.History.Size, history.Milliseconds(), max(metaTTL, 2*history).Milliseconds(), newEpoch(),
		o.Seen.Epoch, o.Seen.Offset)
}

// parsePublishReply reads what the script returns.
func parsePublishReply(reply *redis.Cmd) (PublishResult, error) {
	parts, err := reply.Slice()
	if err != nil {
		return PublishResult{}, err
	}
	if len(parts) != 3 {
		return PublishResult{}, fmt.Errorf("publish script: %d values came, 3 are expected", len(parts))
	}
	offset, err := strconv.ParseUint(fmt.Sprint(parts[1]), 10, 64)
	position := Position{Epoch: fmt.Sprint(parts[2]), Offset: offset}
	return PublishResult{Position: position, Duplicate: parts[0] == int64(0)}, err
}

// Ready implements [Broker].
func (b *RedisBroker) Ready(ctx context.Context) error {
	if !b.wanted.connected() {
		return fmt.Errorf("%w: no Pub/Sub connection to Redis", ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	return unavailable("ping", b.client.Ping(ctx).Err())
}

// topic is the Pub/Sub channel of a channel. The braces make Redis Cluster
// keep it and the channel's keys in one slot.
func (b *RedisBroker) topic(channel string) string { return b.prefix + "{" + channel + "}" }

// idempotencyKey holds the channel's length, because both names are free to look
// like parts of it.
func (b *RedisBroker) idempotencyKey(channel, key string) string {
	return fmt.Sprintf("%sonce:%d:{%s}:%s", b.prefix, len(channel), channel, key)
}
