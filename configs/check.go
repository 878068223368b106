package configs

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxKey   = 256 // bytes of the API key
	maxMatch = 255 // bytes of a pattern, as of a channel's name
)

// Check returns a [Faults] with everything in c that is not accepted, or nil. The
// function says whether the broker can read the URL of a Redis, which no other
// package knows; its error is not shown, because it may quote a password.
func (c Config) Check(readRedisURL func(string) error) error {
	k := checker{from: c.from}
	k.address("http.addr", c.HTTP.Addr)
	within(&k, "http.idle", c.HTTP.Idle, Age(time.Second), Age(time.Hour))
	if c.Policy.Addr != "" {
		k.address("policy.addr", c.Policy.Addr)
	}
	k.grants(c.Policy.Allow)
	k.redisURL(c.Redis.URL, readRedisURL)
	k.redisFiles(c.Redis)
	k.api(c.API)
	k.origins(c.Origins)
	k.hosts(c.Hosts)
	k.tokens(c)
	k.channels(c.Channels)
	k.subscribe(c)
	within(&k, "presence.ttl", c.Presence.TTL, Age(5*time.Second), Age(10*time.Minute))
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, Text, JSON)
	k.limits(c.Limits)
	return k.faults.err()
}

func (k *checker) address(key, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || !hostname.MatchString(host) {
		k.fault(key, `%q: want :port or host:port, with a port from 0 to 65535, 0 for any free one`, addr)
	}
}

// hostname matches an IP address, a name or nothing.
var hostname = regexp.MustCompile(`^[a-zA-Z0-9._:%-]*$`)

func (k *checker) redisURL(u URL, read func(string) error) {
	if u == "" {
		return
	}
	text := u.Reveal()
	if wrapped := wrapping(text); wrapped != "" {
		k.fault("redis.url", "%s", wrapped)
		return
	}
	if !strings.HasPrefix(text, "redis://") && !strings.HasPrefix(text, "rediss://") || read(text) != nil {
		k.fault("redis.url", "%v: want redis://[[user]:password@]host[:port][/database][?option=value], rediss:// for TLS; "+
			"special characters in the password are written as %%XX", u)
		return
	}
	if parsed, err := url.Parse(text); err != nil || !isServer(parsed) {
		k.fault("redis.url", "%v: want one host, and a port from 1 to 65535: several servers behind one address are reached by its name", u)
	}
}

// isServer reports whether a URL names one server, or none, which stands for this
// machine. The library takes a list for the name of one.
func isServer(u *url.URL) bool {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return hostname.MatchString(u.Hostname()) && (u.Port() == "" || err == nil && port > 0)
}

// redisFiles looks at which files are named; what is in them is found when they are
// read.
func (k *checker) redisFiles(r Redis) {
	if r.CA+r.Cert+r.Key != "" && !strings.HasPrefix(r.URL.Reveal(), "rediss://") {
		k.fault("redis.url", "%v: want rediss:// beside redis.ca, redis.cert and redis.key, which are for TLS", r.URL)
	}
	switch {
	case r.Cert != "" && r.Key == "":
		k.fault("redis.key", "is empty; want the file of the key of redis.cert")
	case r.Cert == "" && r.Key != "":
		k.fault("redis.cert", "is empty; want the file of the certificate of redis.key")
	}
}

// isName reports whether a text can be the name of a channel, or a pattern.
func isName(text string) bool {
	return text != "" && len(text) <= maxMatch && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// subscribe looks at the channels of every session.
func (k *checker) subscribe(c Config) {
	const key = "connect.subscribe"
	channels := c.Connect.Subscribe
	if n := len(channels); n > c.Limits.Subscriptions {
		k.fault(key, "has %d items; want at most %d (limits.subscriptions)", n, c.Limits.Subscriptions)
		return
	}
	for i, name := range channels {
		switch {
		case !isName(name):
			k.fault(index(key, i), "%.300q: want the name of a channel, 1 to %d bytes of UTF-8 without control characters", name, maxMatch)
		case slices.Contains(channels[:i], name):
			k.fault(index(key, i), "%q: is there already", name)
		case !slices.ContainsFunc(c.Channels, func(rule Channel) bool { return covers(rule.Match, name) }):
			k.fault(index(key, i), "%q: matches no rule of channels, and so does not exist", name)
		}
	}
}

// covers reports whether a pattern matches a name.
func covers(pattern, name string) bool {
	parts := strings.Split(strings.Replace(pattern, userMark, "*", 1), "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	matched, err := regexp.MatchString("(?s)^"+strings.Join(parts, ".*")+"$", name)
	return err == nil && matched // an error is one of the pattern, and found there
}

func (k *checker) limits(l Limits) {
	within(k, "limits.body", l.Body, 1<<10, 64<<20)
	within(k, "limits.message", l.Message, 256, 16<<20)
	within(k, "limits.buffer", l.Buffer, 64<<10, 256<<20)
	within(k, "limits.subscriptions", l.Subscriptions, 1, 10_000)
	within(k, "limits.channels", l.Channels, 100, 10_000_000)
	within(k, "limits.history", l.History, 1<<20, 1<<40)
	within(k, "limits.idempotency_keys", l.IdempotencyKeys, 100, 10_000_000)
	within(k, "limits.backlog", l.Backlog, 1<<20, 1<<40)
	within(k, "limits.unread", l.Unread, 1<<20, 1<<40)
	within(k, "limits.connections", l.Connections, 1, 10_000_000)
	within(k, "limits.connections_per_address", l.ConnectionsPerAddress, 1, 10_000_000)
	within(k, "limits.publish_rate", l.PublishRate, 1, 1_000_000)
	within(k, "limits.user_connections", l.UserConnections, 0, 1_000_000)
	within(k, "limits.revocations", l.Revocations, 100, 1_000_000)
	if most := max(l.Body, l.Message); l.Buffer < most {
		k.fault("limits.buffer", "%v: want at least %v, the larger of limits.body and limits.message, "+
			"or one message could evict every client", l.Buffer, most)
	}
}
