package redisbroker

import (
	"log/slog"
	"time"
)

// DefaultTimeout is how long Redis may take to answer a question.
const DefaultTimeout = 1500 * time.Millisecond

// Options say which Redis carries the messages. Every node of a cluster
// needs the same.
type Options struct {
	// URL is redis:// or rediss:// (TLS) with user, password, host, port and
	// database, as [redis.ParseURL] reads it.
	URL string
	// CA names a file of PEM with the certificates of those who may have signed that
	// of Redis. Empty: those that the system trusts. Cert and Key name files of PEM with
	// the certificate that this node shows, and its key; both or none. They are for
	// rediss://.
	CA, Cert, Key string
	// Prefix stands before every key and Pub/Sub channel, and has no braces.
	// Empty: "belfry:". A database other than 0 is added to it, because to Redis
	// the databases share their Pub/Sub channels.
	Prefix string
	// Timeout is how long Redis may take to answer until it is taken for away. The
	// Pub/Sub connection is given up when nothing comes for twice as long. Zero:
	// DefaultTimeout, with which publishers hear of it in the two seconds that
	// [hub.Broker] promises.
	Timeout time.Duration
	// PresenceTTL is when the clients of a node that died without a word are
	// forgotten at the latest; at least a second. Zero: DefaultPresenceTTL.
	PresenceTTL time.Duration
	// Logger hears of Redis going and coming. Nil: discards.
	Logger *slog.Logger

	idle, witness time.Duration // for tests; zero: idleTime, witnessPatience
}
