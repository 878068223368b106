package configs

import (
	"maps"
	"time"
)

// Config is everything that can be configured. A field's json tag is its key
// in the YAML file, its env tag, after the prefixes around it and BELFRY_, its
// environment variable, which has the same YAML where a list is no list of texts. It may be copied, and read from several goroutines.
type Config struct {
	HTTP   HTTP   `json:"http" envPrefix:"HTTP_"`
	Policy Policy `json:"policy" envPrefix:"POLICY_"`
	Redis  Redis  `json:"redis" envPrefix:"REDIS_"`
	API    API    `json:"api" envPrefix:"API_"`

	Tokens Tokens `json:"tokens" envPrefix:"TOKENS_"`

	// Origins are the pages whose scripts may connect, besides those of the
	// same host and, on one machine, of localhost. See [Origins] for the forms.
	Origins Origins `json:"origins" env:"ORIGINS"`

	// Hosts are the names that the server answers to, beside localhost and
	// addresses. See [Hosts] for the forms, and [Config.AnsweredHosts] for none.
	Hosts Hosts `json:"hosts" env:"HOSTS"`

	// Channels are the rules of channels; the first that matches applies. A
	// channel that matches none does not exist.
	Channels []Channel `json:"channels" env:"CHANNELS"`

	Connect Connect `json:"connect" envPrefix:"CONNECT_"`

	Presence Presence `json:"presence" envPrefix:"PRESENCE_"`

	Legacy Legacy `json:"legacy" envPrefix:"LEGACY_"`

	Log Log `json:"log" envPrefix:"LOG_"`

	Limits Limits `json:"limits" envPrefix:"LIMITS_"`

	from places
}

// From notes where the value of a key came from, such as a flag, so that a
// fault can name it. Call it after setting a field by hand, before Check.
func (c *Config) From(key, place string) {
	from := maps.Clone(c.from)
	if from == nil {
		from = places{}
	}
	from.set(key, place)
	c.from = from
}

// Place returns where the value of a key was set, such as belfry.yaml:4; empty: it is a
// default.
func (c Config) Place(key string) string { return c.from.of(key) }

// HTTP configures the listener of pages, API, WebSocket and health checks.
type HTTP struct {
	// Addr is host:port; without a host all addresses of the machine. Port 0
	// takes a free one.
	Addr string `json:"addr" env:"ADDR"`
	// Idle is how long a connection is kept between two requests, 1s to 1h. A proxy
	// in front should give its own up earlier, or it uses one that is just closed.
	Idle Age `json:"idle" env:"IDLE"`
}

// Policy configures the server of Flash socket policy files.
type Policy struct {
	// Addr is host:port, like [HTTP.Addr]. Empty switches the server off.
	Addr string `json:"addr" env:"ADDR"`
	// Allow lists who may open a socket, and to which ports. Empty stands for
	// the hosts of the configured origins and the HTTP port.
	Allow Grants `json:"allow" env:"ALLOW"`
}

// Redis configures the broker that joins several nodes.
type Redis struct {
	// URL is redis:// or, with TLS, rediss://. Empty means one node alone.
	URL URL `json:"url" env:"URL"`
	// CA names a file of PEM with the certificates of those who may have signed that
	// of Redis. Empty: those that the system trusts.
	CA string `json:"ca" env:"CA"`
	// Cert and Key name files of PEM with the certificate that Belfry shows Redis, and
	// its key. Both or none.
	Cert string `json:"cert" env:"CERT"`
	Key  string `json:"key" env:"KEY"`
}

// Connect configures what happens when a session of the Centrifuge protocol
// connects.
type Connect struct {
	// Subscribe lists channels that every such session is subscribed to. Each has
	// a rule, and they are no more than [Limits.Subscriptions].
	Subscribe Names `json:"subscribe" env:"SUBSCRIBE"`
}

// Names lists names of channels. Its text is names separated by commas.
type Names []string

// UnmarshalText reads names separated by commas, with or without spaces.
func (n *Names) UnmarshalText(text []byte) error {
	*n = items(string(text))
	return nil
}

// Presence configures who is known to be on the channels whose rules have presence.
type Presence struct {
	// TTL is when the clients of a node that died without a word are forgotten at
	// the latest, 5s to 10m. All nodes need the same.
	TTL Age `json:"ttl" env:"TTL"`
}

// Legacy configures what is there for clients from before RFC 6455.
type Legacy struct {
	// Enabled lets draft-era WebSocket clients reach the raw endpoints, and
	// answers Flash policy requests on the HTTP port.
	Enabled bool `json:"enabled" env:"ENABLED"`
}

// Log configures what is logged, and how.
type Log struct {
	// Level is debug, info, warn or error: lines that matter less are left out.
	Level string `json:"level" env:"LEVEL"`
	// Format is [Text] or [JSON].
	Format string `json:"format" env:"FORMAT"`
}

// How a log is written.
const (
	Text = "text" // name=value
	JSON = "json" // an object on each line
)

// Limits bounds what comes from outside. Every range is inclusive.
type Limits struct {
	// Body is the most that the body of an HTTP API request may have, 1KiB to 64MiB.
	Body Size `json:"body" env:"BODY"`
	// Message is the most that one message of a session may have, 256B to 16MiB.
	Message Size `json:"message" env:"MESSAGE"`
	// Buffer is how far a slow client may be behind before it is evicted,
	// 64KiB to 256MiB and not below the other two.
	Buffer Size `json:"buffer" env:"BUFFER"`
	// Subscriptions is how many channels one session may have, 1 to 10,000.
	Subscriptions int `json:"subscriptions" env:"SUBSCRIPTIONS"`
	// Channels is how many channels a node may have at a time, 100 to 10,000,000:
	// those with subscribers and, without Redis, those that it remembers.
	Channels int `json:"channels" env:"CHANNELS"`
	// History is how much the histories of all channels may have without Redis,
	// 1MiB to 1024GiB.
	History Size `json:"history" env:"HISTORY"`
	// IdempotencyKeys is how many are remembered without Redis, 100 to 10,000,000.
	IdempotencyKeys int `json:"idempotency_keys" env:"IDEMPOTENCY_KEYS"`
	// Backlog is how much is kept for all clients over HTTP together that have no
	// request under way, 1MiB to 1024GiB.
	Backlog Size `json:"backlog" env:"BACKLOG"`
	// Unread is how much of answers may wait for all clients together that do not read
	// them, 1MiB to 1024GiB.
	Unread Size `json:"unread" env:"UNREAD"`
	// Connections is how many clients there may be at a time, over all transports, 1
	// to 10,000,000.
	Connections int `json:"connections" env:"CONNECTIONS"`
	// ConnectionsPerAddress is how many of them may have one address, or one network
	// of 64 bits of IPv6, 1 to 10,000,000. Addresses of this machine and of private
	// networks, where proxies are, have nine tenths of Connections instead.
	ConnectionsPerAddress int `json:"connections_per_address" env:"CONNECTIONS_PER_ADDRESS"`
	// PublishRate is how many messages a second one session may publish, 1 to
	// 1,000,000. It may begin with twice as many.
	PublishRate int `json:"publish_rate" env:"PUBLISH_RATE"`
	// UserConnections is how many connections one user may have on all nodes, 1 to
	// 1,000,000; 0: no bound.
	UserConnections int `json:"user_connections" env:"USER_CONNECTIONS"`
	// Revocations is how many users and tokens may be taken back at a time, 100 to
	// 1,000,000.
	Revocations int `json:"revocations" env:"REVOCATIONS"`
}

// Default returns the configuration of a Belfry that was told nothing. The
// caller may change it.
func Default() Config {
	return Config{
		HTTP:    HTTP{Addr: ":40132", Idle: Age(620 * time.Second)},
		Policy:  Policy{Addr: ":843", Allow: Grants{}},
		Origins: Origins{},
		Hosts:   Hosts{},
		API:     API{Keys: []APIKey{}},
		Tokens:  Tokens{Keys: []TokenKey{}, Leeway: Age(5 * time.Second)},
		Channels: []Channel{
			{Match: "date", Subscribe: []string{Anyone}, Publish: []string{Server}, History: History{Size: 60, TTL: Age(time.Minute)}},
			{Match: "chat", Subscribe: []string{Anyone}, Publish: []string{Server, Client}, History: History{Size: 100, TTL: Age(24 * time.Hour)}, Presence: ChannelPresence{On: true}},
			{Match: "*", Publish: []string{Server}},
		},
		Connect:  Connect{Subscribe: Names{}},
		Presence: Presence{TTL: Age(time.Minute)},
		Legacy:   Legacy{Enabled: true},
		Log:      Log{Level: "info", Format: Text},
		Limits: Limits{
			Body:                  1 << 20,
			Message:               64 << 10,
			Buffer:                1 << 20,
			Subscriptions:         128,
			Channels:              100_000,
			History:               64 << 20,
			IdempotencyKeys:       100_000,
			Backlog:               64 << 20,
			Unread:                64 << 20,
			Connections:           100_000,
			ConnectionsPerAddress: 1000,
			PublishRate:           100,
			Revocations:           100_000,
		},
	}
}
