package configs

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// readRedisURL reads a URL as the broker does.
func readRedisURL(url string) error {
	_, err := redis.ParseURL(url)
	return err
}

func TestDefaultsPass(t *testing.T) {
	if err := Default().Check(readRedisURL); err != nil {
		t.Error(err)
	}
}

// someKeys make a configuration with users.
var someKeys = []TokenKey{{Name: "main", Algorithm: "HS256", Secret: "hush"}}

func TestCheck(t *testing.T) {
	long := strings.Repeat("x", 256)
	const (
		wantAddr    = ": want :port or host:port, with a port from 0 to 65535, 0 for any free one"
		wantRedis   = ": want redis://[[user]:password@]host[:port][/database][?option=value], rediss:// for TLS; special characters in the password are written as %XX"
		wantServer  = ": want one host, and a port from 1 to 65535: several servers behind one address are reached by its name"
		wantWithout = ", which would be a part of it; want it without"
		wantKey     = "api.key: (hidden): want at most 256 letters, digits and signs of ASCII, without spaces"
		wantMatch   = ": want 1 to 255 bytes of UTF-8 without control characters, * for any run of characters"
		wantName    = ": want the name of a channel, 1 to 255 bytes of UTF-8 without control characters"
		wantPublish = ": want anyone, user, token, subscriber or server, each once"
	)
	const (
		wantKeyName = ": want a name of its own, of 1 to 64 letters, digits and the signs . _ -"
		wantKeys    = ": want https://host/path; http:// is accepted for this machine, and for names without a dot"
		wantTokens  = ": is of no use without a key that tokens are signed with (tokens.keys, BELFRY_TOKENS_KEYS)"
	)
	const wantMark = ": want {user} once, with no * before it and none right behind it, or nobody can tell whose the channel is"
	tests := []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"no port", func(c *Config) { c.HTTP.Addr = "localhost" }, []string{`http.addr: "localhost"` + wantAddr}},
		{"empty address", func(c *Config) { c.HTTP.Addr = "" }, []string{`http.addr: ""` + wantAddr}},
		{"port out of range", func(c *Config) { c.Policy.Addr = ":65536" }, []string{`policy.addr: ":65536"` + wantAddr}},
		{"port by name", func(c *Config) { c.HTTP.Addr = ":http" }, []string{`http.addr: ":http"` + wantAddr}},
		{"no host", func(c *Config) { c.HTTP.Addr = "http://h:1" }, []string{`http.addr: "http://h:1"` + wantAddr}},
		{"good addresses", func(c *Config) { c.HTTP.Addr, c.Policy.Addr = "[::1]:0", "" }, nil},

		{"idle for too short", func(c *Config) { c.HTTP.Idle = Age(time.Second - 1) }, []string{"http.idle: 999.999999ms: want 1s to 1h"}},
		{"idle for too long", func(c *Config) { c.HTTP.Idle = Age(time.Hour + 1) }, []string{"http.idle: 1h0m0.000000001s: want 1s to 1h"}},
		{"bounds of idleness", func(c *Config) { c.HTTP.Idle = Age(time.Hour) }, nil},

		{"not Redis", func(c *Config) { c.Redis.URL = "http://h" }, []string{"redis.url: http://h" + wantRedis}},
		{"Redis by a socket", func(c *Config) { c.Redis.URL = "unix:///s" }, []string{"redis.url: (hidden)" + wantRedis}},
		{"Redis database", func(c *Config) { c.Redis.URL = "redis://:pw@h/one" }, []string{"redis.url: redis://:(hidden)@h/one" + wantRedis}},
		{"Redis password that breaks the URL", func(c *Config) { c.Redis.URL = "redis://u:p/w%@h" }, []string{"redis.url: (hidden)" + wantRedis}},
		{"good Redis", func(c *Config) { c.Redis.URL = "rediss://u:p%2Fw@h:1/2?dial_timeout=1s" }, nil},

		{"several servers", func(c *Config) { c.Redis.URL = "redis://a,b" }, []string{"redis.url: redis://a,b" + wantServer}},
		{"several servers with ports", func(c *Config) { c.Redis.URL = "redis://:pw@a:1,b:2" }, []string{"redis.url: redis://:(hidden)@a:1,b:2" + wantServer}},
		{"a strange server", func(c *Config) { c.Redis.URL = "redis://a;b/1" }, []string{"redis.url: redis://a;b/1" + wantServer}},
		{"port of no server", func(c *Config) { c.Redis.URL = "redis://h:65536" }, []string{"redis.url: redis://h:65536" + wantServer}},
		{"port 0", func(c *Config) { c.Redis.URL = "redis://h:0" }, []string{"redis.url: redis://h:0" + wantServer}},
		{"Redis with a line break", func(c *Config) { c.Redis.URL = "redis://h\n" }, []string{"redis.url: ends in a line break" + wantWithout}},
		{"Redis in quotes", func(c *Config) { c.Redis.URL = `"redis://h"` }, []string{"redis.url: is in quotes" + wantWithout}},
		{"Redis on this machine", func(c *Config) { c.Redis.URL = "redis://:6379" }, nil},
		{"Redis at an address", func(c *Config) { c.Redis.URL = "redis://[::1]:6379/1" }, nil},

		{"key in quotes", func(c *Config) { c.API.Key = `"k"` }, []string{"api.key: is in quotes" + wantWithout}},
		{"key in other quotes", func(c *Config) { c.API.Key = "'k'" }, []string{"api.key: is in quotes" + wantWithout}},
		{"key with a line break", func(c *Config) { c.API.Key = "k\n" }, []string{"api.key: ends in a line break" + wantWithout}},
		{"key with one quote", func(c *Config) { c.API.Key = `"` }, nil},
		{"key with a space", func(c *Config) { c.API.Key = "a b" }, []string{wantKey}},
		{"long key", func(c *Config) { c.API.Key = Secret(long + "x") }, []string{wantKey}},
		{"key that was printed", func(c *Config) { c.API.Key = hidden }, []string{"api.key: is what is printed in place of a key; want the key itself"}},
		{"good key", func(c *Config) { c.API.Key = Secret(long) }, nil},
		{"keys of the API", func(c *Config) {
			c.API.Keys = []APIKey{{Name: "a", Key: "k"}, {Name: "b", SHA256: strings.Repeat("0F", 32), Channels: []string{"n*"}, Expires: "2027-01-31T12:00:00Z"}}
		}, nil},
		{"bad keys of the API", func(c *Config) {
			c.API.Keys = []APIKey{{Name: "a", Key: "k", SHA256: "x"}, {Name: "a", SHA256: "x"}, {Name: "b", Key: "a b", Expires: "soon", Channels: []string{""}}, {Name: "c", Key: hidden}}
		}, []string{
			"api.keys[0]: want one of key and sha256, which belfry key makes",
			`api.keys[1].name: "a": want a name of its own, of 1 to 64 letters, digits and the signs . _ -`,
			"api.keys[1].sha256: want the SHA-256 of a key, 64 hexadecimal digits; belfry key makes one",
			"api.keys[2].key: (hidden): want at most 256 letters, digits and signs of ASCII, without spaces",
			`api.keys[2].expires: "soon": want a day such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z`,
			`api.keys[2].channels[0]: "": want a pattern of channels, with * for any run of characters`,
			"api.keys[3].key: is what is printed in place of a key; want the key itself",
		}},
		{"many keys of the API", func(c *Config) { c.API.Keys = make([]APIKey, 101) }, []string{"api.keys: has 101 items; want at most 100"}},

		{"no rules", func(c *Config) { c.Channels = nil }, []string{"channels: is empty; want at least one rule, or nothing can be published"}},
		{"empty rule", func(c *Config) { c.Channels[0] = Channel{} }, []string{
			`channels[0].match: ""` + wantMatch}},
		{"control character", func(c *Config) { c.Channels[0].Match = "a\n" }, []string{`channels[0].match: "a\n"` + wantMatch}},
		{"not UTF-8", func(c *Config) { c.Channels[0].Match = "\xff" }, []string{`channels[0].match: "\xff"` + wantMatch}},
		{"long pattern", func(c *Config) { c.Channels[0].Match = long }, []string{`channels[0].match: "` + long + `"` + wantMatch}},
		{"who may publish", func(c *Config) { c.Channels[1].Publish = []string{"server", "anybody", "server"} }, []string{
			`channels[1].publish[1]: "anybody"` + wantPublish, `channels[1].publish[2]: "server"` + wantPublish}},
		{"every list", func(c *Config) {
			c.Tokens.Keys = someKeys
			c.Channels[0] = Channel{Match: "user:{user}:*", Subscribe: []string{User, Token}, Publish: []string{Server, Subscriber, Token},
				History: History{Size: 1, Read: []string{Subscriber, User}}, Presence: ChannelPresence{true, []string{Server}}}
			c.Channels[1] = Channel{Match: "x", Subscribe: []string{Anyone, Server}, Publish: []string{Client}, Presence: ChannelPresence{On: true}}
		}, nil},
		{"a list that says something twice", func(c *Config) {
			c.Tokens.Keys = someKeys
			c.Channels[0].Subscribe, c.Channels[0].Publish = []string{User, Anyone}, []string{Client, Anyone, Subscriber}
		}, []string{
			`channels[0].subscribe[0]: "user": is among anyone already (channels[0].subscribe[1]); want one of them`,
			`channels[0].publish[1]: "anyone"` + wantPublish,
			`channels[0].publish[2]: "subscriber": is among anyone already (channels[0].publish[0]); want one of them`}},
		{"subscribers who subscribe", func(c *Config) { c.Channels[0].Subscribe = []string{Subscriber} }, []string{
			`channels[0].subscribe[0]: "subscriber": nobody is one before; want anyone, user, token or server`}},
		{"readers of nothing", func(c *Config) {
			c.Tokens.Keys = someKeys
			c.Channels[2].History.Read, c.Channels[2].Presence.Read = []string{User}, []string{User}
		}, []string{
			"channels[2].history.read: says who may read a history, and there is none (channels[2].history.size); want a size of 1 to 10000, or no read",
			"channels[2].presence.read: says who may read a presence, and there is none (channels[2].presence); want true, or no read"}},
		{"a user's channel that is everybody's", func(c *Config) {
			c.Tokens.Keys = someKeys
			c.Channels[0].Match, c.Channels[0].Subscribe = "user:{user}", []string{Anyone, Server}
			c.From("channels[0].match", "b.yaml:7")
		}, []string{
			`channels[0].subscribe[0]: "anyone": the channel is one user's, by {user} (channels[0].match, b.yaml:7); want user, or another match`,
			`b.yaml:7: channels[0].match: "user:{user}": {user} says nothing, because no list of the rule has user (channels[0].subscribe)`}},
		{"a user's channel that says no more", func(c *Config) {
			c.Tokens.Keys = someKeys
			c.Channels[0] = Channel{Match: "user:{user}:in*"}
		}, nil},
		{"marks of which nobody can tell the user", func(c *Config) {
			c.Tokens.Keys = someKeys
			c.Channels = []Channel{{Match: "*{user}"}, {Match: "{user}*"}, {Match: "{user}:{user}"}, {Match: "{users}"}}
		}, []string{
			`channels[0].match: "*{user}"` + wantMark, `channels[1].match: "{user}*"` + wantMark, `channels[2].match: "{user}:{user}"` + wantMark}},
		{"users without tokens", func(c *Config) {
			c.Channels = []Channel{{Match: "{user}"}, {Match: "a", Subscribe: []string{User}, Publish: []string{Server, Token}}}
			c.Tokens.Issuer, c.Tokens.Cookie, c.Tokens.Query = "a", "b", true
			c.From("tokens.keys", "BELFRY_TOKENS_KEYS")
		}, []string{
			"tokens.issuer" + wantTokens, "tokens.cookie" + wantTokens, "tokens.query" + wantTokens,
			`channels[0].match: "{user}": there are no users without a key that their tokens are signed with (tokens.keys, BELFRY_TOKENS_KEYS)`,
			`channels[1].subscribe[0]: "user": there is none without a key that tokens are signed with (tokens.keys, BELFRY_TOKENS_KEYS)`,
			`channels[1].publish[1]: "token": there is none without a key that tokens are signed with (tokens.keys, BELFRY_TOKENS_KEYS)`}},
		{"good keys for tokens", func(c *Config) {
			c.Tokens = Tokens{Issuer: "a", Audience: "b", Leeway: Age(5 * time.Minute), Endless: true, Cookie: "__Host-t", Query: true, Keys: []TokenKey{
				{Name: "a", Algorithm: "HS256", Secret: "hush", Channels: []string{"team:*"}}, {Name: "B.2", Algorithm: "RS256", PublicKey: "a.pem"},
				{Name: "c", JWKS: "https://u:hush@example.com/jwks"}, {Name: "d", JWKS: "http://127.0.0.1:8080/"}, {Name: "e", JWKS: "http://backend/"}}}
		}, nil},
		{"bad keys for tokens", func(c *Config) {
			c.Tokens.Leeway, c.Tokens.Cookie = Age(5*time.Minute+1), "a b"
			c.Tokens.Keys = []TokenKey{{}, {Name: "a", Secret: "hush", JWKS: "ftp://hush@h"}, {Name: "a", Secret: "hush\n"}, {Name: "b", Secret: hidden},
				{Name: "c", JWKS: "http://example.com/jwks", Channels: []string{"", "{user}"}}, {Name: "d", Secret: Secret(strings.Repeat("x", 4097))}}
		}, []string{
			`tokens.keys[0].name: ""` + wantKeyName, "tokens.keys[0]: has nothing to check a signature with; want one of secret, public_key and jwks",
			"tokens.keys[1]: has secret and jwks; want one of secret, public_key and jwks", "tokens.keys[1].jwks: ftp://(hidden)@h" + wantKeys,
			`tokens.keys[2].name: "a"` + wantKeyName, "tokens.keys[2].secret: ends in a line break" + wantWithout,
			"tokens.keys[3].secret: is what is printed in place of a secret; want the secret itself",
			"tokens.keys[4].jwks: http://example.com/jwks" + wantKeys,
			`tokens.keys[4].channels[0]: "": want a pattern of channels, with * for any run of characters`,
			`tokens.keys[4].channels[1]: "{user}": want a pattern of channels, with * for any run of characters`,
			"tokens.keys[5].secret: (hidden): want at most 4096 bytes",
			"tokens.leeway: 5m0.000000001s: want 0s to 5m", `tokens.cookie: "a b": want the name of a cookie, of letters, digits and signs without spaces`}},
		{"too many keys for tokens", func(c *Config) { c.Tokens.Keys = slices.Repeat(someKeys, 21) }, []string{"tokens.keys: has 21 items; want at most 20"}},
		{"a cookie for every page", func(c *Config) {
			c.Tokens.Keys, c.Tokens.Cookie, c.Origins = someKeys, "t", Origins{"http://a", "*"}
			c.From("origins", "BELFRY_ORIGINS")
		}, []string{
			`tokens.cookie: lets pages in by what a browser sends by itself, and with "*" (origins[1], BELFRY_ORIGINS) those of any site; want the origins one by one, or no cookie`}},
		{"rule that never applies", func(c *Config) { c.Channels = append(c.Channels, Channel{Match: "late", Publish: []string{Server}}) }, []string{
			`channels[3].match: "late": never applies, because channels[2] comes first and matches the same`}},
		{"same rule again", func(c *Config) { c.Channels[1].Match = "date" }, []string{
			`channels[1].match: "date": never applies, because channels[0] comes first and matches the same`}},
		{"too many rules", func(c *Config) { c.Channels = slices.Repeat(c.Channels[:1], 1001) }, []string{"channels: has 1001 items; want at most 1000"}},
		{"too many origins", func(c *Config) { c.Origins = slices.Repeat(Origins{"*"}, 1001) }, []string{"origins: has 1001 items; want at most 1000"}},
		{"too many hosts", func(c *Config) { c.Hosts = slices.Repeat(Hosts{"*"}, 1001) }, []string{"hosts: has 1001 items; want at most 1000"}},
		{"a host that is an origin", func(c *Config) { c.Hosts = Hosts{"hub.example", "https://hub.example"} }, []string{
			`hosts[1]: "https://hub.example": want example.com, *.example.com or *, as a browser asks for it: ` +
				"lower case, no scheme, no port; to localhost and addresses the server answers anyway"}},
		{"too many grants", func(c *Config) { c.Policy.Allow = make(Grants, 1001) }, []string{"policy.allow: has 1001 items; want at most 1000"}},

		{"presence for too short", func(c *Config) { c.Presence.TTL = Age(5*time.Second - 1) }, []string{"presence.ttl: 4.999999999s: want 5s to 10m"}},
		{"presence for too long", func(c *Config) { c.Presence.TTL = Age(10*time.Minute + 1) }, []string{"presence.ttl: 10m0.000000001s: want 5s to 10m"}},
		{"bounds of presence", func(c *Config) { c.Presence.TTL = Age(5 * time.Second) }, nil},
		{"good server-side subscriptions", func(c *Config) { c.Connect.Subscribe = Names{"date", "chat:1", "a.b(c", "news"} }, nil},
		{"bad server-side subscriptions", func(c *Config) { c.Connect.Subscribe = Names{"", "a\n", long, "date", "date"} }, []string{
			`connect.subscribe[0]: ""` + wantName, `connect.subscribe[1]: "a\n"` + wantName, `connect.subscribe[2]: "` + long + `"` + wantName,
			`connect.subscribe[4]: "date": is there already`}},
		{"server-side subscription without a rule", func(c *Config) {
			c.Channels, c.Channels[1].Match = c.Channels[:2], "chat*"
			c.Connect.Subscribe = Names{"chat", "chatter\u2028", "a chat", "dates"}
		}, []string{
			`connect.subscribe[2]: "a chat": matches no rule of channels, and so does not exist`,
			`connect.subscribe[3]: "dates": matches no rule of channels, and so does not exist`}},
		{"too many server-side subscriptions", func(c *Config) { c.Limits.Subscriptions, c.Connect.Subscribe = 1, Names{"a", "b"} }, []string{
			"connect.subscribe: has 2 items; want at most 1 (limits.subscriptions)"}},

		{"strange words for the log", func(c *Config) { c.Log = Log{"INFO", ""} }, []string{
			`log.level: "INFO": want debug, info, warn or error`, `log.format: "": want text or json`}},
		{"other words for the log", func(c *Config) { c.Log = Log{"error", JSON} }, nil},

		{"lower bounds", func(c *Config) {
			l := &c.Limits
			l.Body, l.Message, l.Buffer, l.Subscriptions = 1<<10, 256, 64<<10, 1
			l.Channels, l.History, l.IdempotencyKeys, l.Backlog, l.Unread = 100, 1<<20, 100, 1<<20, 1<<20
			l.Connections, l.ConnectionsPerAddress, l.PublishRate = 1, 1, 1
		}, nil},
		{"upper bounds", func(c *Config) {
			l := &c.Limits
			l.Body, l.Message, l.Buffer, l.Subscriptions = 64<<20, 16<<20, 256<<20, 10_000
			l.Channels, l.History, l.IdempotencyKeys, l.Backlog, l.Unread = 10_000_000, 1<<40, 10_000_000, 1<<40, 1<<40
			l.Connections, l.ConnectionsPerAddress, l.PublishRate = 10_000_000, 10_000_000, 1_000_000
		}, nil},
		{"below", func(c *Config) {
			l := &c.Limits
			l.Body, l.Message, l.Buffer, l.Subscriptions = 1<<10-1, 255, 64<<10-1, 0
			l.Channels, l.History, l.IdempotencyKeys, l.Backlog, l.Unread = 99, 1<<20-1, 99, 1<<20-1, 1<<20-1
			l.Connections, l.ConnectionsPerAddress, l.PublishRate = 0, 0, 0
		}, []string{
			"limits.body: 1023B: want 1KiB to 64MiB", "limits.message: 255B: want 256B to 16MiB",
			"limits.buffer: 65535B: want 64KiB to 256MiB", "limits.subscriptions: 0: want 1 to 10000",
			"limits.channels: 99: want 100 to 10000000", "limits.history: 1048575B: want 1MiB to 1024GiB",
			"limits.idempotency_keys: 99: want 100 to 10000000", "limits.backlog: 1048575B: want 1MiB to 1024GiB",
			"limits.unread: 1048575B: want 1MiB to 1024GiB",
			"limits.connections: 0: want 1 to 10000000", "limits.connections_per_address: 0: want 1 to 10000000",
			"limits.publish_rate: 0: want 1 to 1000000"}},
		{"above", func(c *Config) {
			l := &c.Limits
			l.Body, l.Message, l.Buffer, l.Subscriptions = 64<<20+1, 16<<20+1, 256<<20+1, 10_001
			l.Channels, l.History, l.IdempotencyKeys, l.Backlog, l.Unread = 10_000_001, 1<<40+1, 10_000_001, 1<<40+1, 1<<40+1
			l.Connections, l.ConnectionsPerAddress, l.PublishRate = 10_000_001, 10_000_001, 1_000_001
		}, []string{
			"limits.body: 67108865B: want 1KiB to 64MiB", "limits.message: 16777217B: want 256B to 16MiB",
			"limits.buffer: 268435457B: want 64KiB to 256MiB", "limits.subscriptions: 10001: want 1 to 10000",
			"limits.channels: 10000001: want 100 to 10000000", "limits.history: 1099511627777B: want 1MiB to 1024GiB",
			"limits.idempotency_keys: 10000001: want 100 to 10000000", "limits.backlog: 1099511627777B: want 1MiB to 1024GiB",
			"limits.unread: 1099511627777B: want 1MiB to 1024GiB",
			"limits.connections: 10000001: want 1 to 10000000", "limits.connections_per_address: 10000001: want 1 to 10000000",
			"limits.publish_rate: 1000001: want 1 to 1000000"}},
		{"bytes of a history", func(c *Config) { c.Channels[0].History.Bytes, c.Channels[1].History.Bytes = 1<<10, 1<<30 }, nil},
		{"bytes of a history out of range", func(c *Config) { c.Channels[0].History.Bytes, c.Channels[1].History.Bytes = 1<<10-1, 1<<30+1 }, []string{
			"channels[0].history.bytes: 1023B: want 1KiB to 1GiB", "channels[1].history.bytes: 1073741825B: want 1KiB to 1GiB"}},
		{"bytes of no history", func(c *Config) { c.Channels[2].History.Bytes = 1 << 20 }, []string{
			"channels[2].history.size: is 0 or missing beside a ttl or bytes; want 1 to 10000 messages, or no history"}},
		{"buffer below a message", func(c *Config) { c.Limits.Buffer = 512 << 10 }, []string{
			"limits.buffer: 512KiB: want at least 1MiB, the larger of limits.body and limits.message, or one message could evict every client"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := Default()
			test.change(&c)
			if diff := cmp.Diff(test.want, texts(t, c.Check(readRedisURL))); diff != "" {
				t.Errorf("Check -want +got:\n%s", diff)
			}
		})
	}
}

func TestCheckOrigins(t *testing.T) {
	tests := []struct {
		origin string
		ok     bool
	}{
		{"https://example.com", true},
		{"http://localhost:3000", true},
		{"http://127.0.0.1:8080", true},
		{"http://[::1]:8080", true},
		{"https://*.example.com", true},
		{"https://*.example.com:8443", true},
		{"capacitor://localhost", true},
		{"*.example.com", true},
		{"*.localhost", true},
		{"*", true},
		{"", false},
		{"null", false},
		{"example.com", false},
		{"https://", false},
		{"https://Example.com", false},
		{"https://example.com/", false},
		{"https://example.com/path", false},
		{"https://user@example.com", false},
		{"https://example.com:443", false},
		{"http://example.com:80", false},
		{"https://example.com:0", false},
		{"https://example.com:65536", false},
		{"https://exa*mple.com", false},
		{"https://www.*.com", false},
		{"https://*", false},
		{"*example.com", false},
		{"*.", false},
		{"*.example.com:80", false},
		{"*://example.com", false},
		{"http://[:::1]", false},
		{"https://a..b", false},
		{" https://example.com", false},
		{"https://example.com\n", false},
		{"https://" + strings.Repeat("a", 400), false},
	}
	for _, test := range tests {
		t.Run(test.origin, func(t *testing.T) {
			c := Default()
			c.Origins = Origins{test.origin}
			if err := c.Check(readRedisURL); (err == nil) != test.ok {
				t.Errorf("origin %q: got %v, want accepted: %v", test.origin, err, test.ok)
			}
		})
	}
}

func TestCheckGrants(t *testing.T) {
	tests := []struct {
		domain, ports string
		faults        []string // keys
	}{
		{"example.com", "40132", nil},
		{"*.example.com", "843,40000-40200", nil},
		{"*", "*", nil},
		{"192.0.2.1", "1-65535", nil},
		{"2001:db8::1", "80", nil},
		{":::", "80", []string{"domain"}},
		{"", "", []string{"domain", "ports"}},
		{"https://example.com", "80", []string{"domain"}},
		{`a"/>`, "80", []string{"domain"}},
		{"a*", "80", []string{"domain"}},
		{"a", "0", []string{"ports"}},
		{"a", "65536", []string{"ports"}},
		{"a", "90-80", []string{"ports"}},
		{"a", "80,", []string{"ports"}},
		{"a", "80, 81", []string{"ports"}},
		{"a", "+80", []string{"ports"}},
		{"a", "80-*", []string{"ports"}},
		{"a", "80,*", []string{"ports"}},
		{"a", strings.Repeat("80,", 400) + "80", []string{"ports"}},
	}
	for _, test := range tests {
		t.Run(test.domain+":"+test.ports, func(t *testing.T) {
			c := Default()
			c.Policy.Allow = Grants{{test.domain, Ports(test.ports)}}
			var got []string
			if faults, ok := c.Check(readRedisURL).(Faults); ok {
				for _, f := range faults {
					got = append(got, strings.TrimPrefix(f.Key, "policy.allow[0]."))
				}
			}
			if diff := cmp.Diff(test.faults, got); diff != "" {
				t.Errorf("%q %q: faults -want +got:\n%s", test.domain, test.ports, diff)
			}
		})
	}
}

// A fault names where its value came from, and only that.
func TestCheckPlaces(t *testing.T) {
	file := write(t, "http:\n  addr: h\norigins:\n- https://a\n- b\nlimits: {body: 1}\nchannels:\n- match: a\n  publish: [x]\n")
	c, err := Load(file, []string{"BELFRY_LIMITS_MESSAGE=2"})
	if err != nil {
		t.Fatal(err)
	}
	places := func() string {
		var all []string
		for _, text := range texts(t, c.Check(readRedisURL)) {
			place, _, _ := strings.Cut(text, ": ")
			all = append(all, place)
		}
		return strings.Join(all, " ")
	}
	if got, want := places(), "b.yaml:2 b.yaml:5 b.yaml:9 b.yaml:6 BELFRY_LIMITS_MESSAGE"; got != want {
		t.Errorf("places: got %s, want %s", got, want)
	}
	before := c
	c.HTTP.Addr, c.Origins = "i", Origins{"x", "y"}
	c.From("http.addr", "--addr")
	c.From("origins", "--origins")
	if got, want := places(), "--addr --origins --origins b.yaml:9 b.yaml:6 BELFRY_LIMITS_MESSAGE"; got != want {
		t.Errorf("places after flags: got %s, want %s", got, want)
	}
	if got := before.Check(readRedisURL).Error(); strings.Contains(got, "--") {
		t.Errorf("From changed a copy of the Config: %s", got)
	}
	c = Config{}
	c.From("http.addr", "--addr")
	if got := c.Check(readRedisURL).Error(); !strings.HasPrefix(got, `--addr: http.addr: ""`) {
		t.Errorf("From on a Config that was not loaded: %s", got)
	}
}

func TestCheckHosts(t *testing.T) {
	for host, ok := range map[string]bool{
		"example.com": true, "a.b.example.com": true, "belfry": true, "my_box-1.local": true, "xn--bcher-kva.example": true,
		"*.example.com": true, "*": true, "localhost": true, "127.0.0.1": true,
		"": false, "Example.com": false, "example.com:443": false, "https://example.com": false, "example.com/": false, "example.com.": false,
		"*example.com": false, "a.*.com": false, "*.": false, "**": false, "a..b": false, "[::1]": false, "bücher.example": false,
		" example.com": false, "example.com\n": false, "a,b": false, strings.Repeat("a", 256): false,
	} {
		c := Default()
		c.Hosts = Hosts{host}
		if err := c.Check(readRedisURL); (err == nil) != ok {
			t.Errorf("host %q: got %v, want accepted: %v", host, err, ok)
		}
	}
}

// TestAnsweredHosts goes through what may be configured beside hosts.
func TestAnsweredHosts(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"nothing", func(*Config) {}, []string{}},
		{"other keys", func(c *Config) { c.HTTP.Addr, c.Redis.URL = ":1", "redis://h" }, []string{}},
		{"a key", func(c *Config) { c.API.Key = "k" }, nil},
		{"origins", func(c *Config) { c.Origins = Origins{"https://a.com"} }, nil},
		{"hosts", func(c *Config) { c.Hosts = Hosts{"a.com"} }, []string{"a.com"}},
		{"hosts beside both", func(c *Config) { c.Hosts, c.API.Key, c.Origins = Hosts{"*.a.com"}, "k", Origins{"*"} }, []string{"*.a.com"}},
	} {
		c := Default()
		test.change(&c)
		if diff := cmp.Diff(test.want, c.AnsweredHosts()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", test.name, diff)
		}
	}
}
