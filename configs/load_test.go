package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameConfig compares values, not where they came from.
var sameConfig = cmp.Options{cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()}

// write puts text into a file and returns its name.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "b.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// texts returns an error's faults as text, with the base name of the file.
func texts(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got a %T, want Faults: %v", err, err)
	}
	var all []string
	for _, f := range faults {
		if place, base, ok := strings.Cut(f.Place, "b.yaml"); ok && place != "" {
			f.Place = "b.yaml" + base
		}
		all = append(all, f.Error())
	}
	return all
}

func TestLoad(t *testing.T) {
	tests := []struct {
		name    string
		file    string
		environ []string
		change  func(*Config) // from the defaults
	}{
		{name: "nothing", change: func(*Config) {}},
		{name: "who may do what", file: "channels:\n- {match: a, subscribe: [token], history: {size: 1, read: [user]}, presence: {read: [user]}}\n" +
			"- {match: b, presence: true}\n- {match: c, presence: false}\n- {match: d, presence: {}}\n", change: func(c *Config) {
			c.Channels = []Channel{{Match: "a", Subscribe: []string{Token}, History: History{Size: 1, Read: []string{User}}, Presence: ChannelPresence{true, []string{User}}},
				{Match: "b", Presence: ChannelPresence{On: true}}, {Match: "c"}, {Match: "d", Presence: ChannelPresence{On: true}}}
		}},
		{name: "only comments", file: "# nothing\n", change: func(*Config) {}},
		{name: "empty sections", file: "http:\nlimits:\n  # body: 1MiB\n", change: func(*Config) {}},
		{name: "a document with a beginning and an end", file: "---\nhttp: {addr: ':1'}\n...\n", change: func(c *Config) { c.HTTP.Addr = ":1" }},
		{name: "a file over the defaults", file: "http: {addr: ':1'}\nlimits: {body: 2KiB, subscriptions: 7}\n", change: func(c *Config) {
			c.HTTP.Addr, c.Limits.Body, c.Limits.Subscriptions = ":1", 2048, 7
		}},
		{name: "the environment over the file", file: "http: {addr: ':1'}\npolicy: {addr: ':2'}\n", environ: []string{"BELFRY_HTTP_ADDR=:3"}, change: func(c *Config) {
			c.HTTP.Addr, c.Policy.Addr = ":3", ":2"
		}},
		{name: "the last of a variable set twice", environ: []string{"BELFRY_HTTP_ADDR=:3", "BELFRY_HTTP_ADDR=:4"}, change: func(c *Config) { c.HTTP.Addr = ":4" }},
		{name: "lists are replaced whole", file: "channels:\n- {match: a*, publish: [client]}\n", change: func(c *Config) {
			c.Channels = []Channel{{Match: "a*", Publish: []string{Client}}}
		}},
		{name: "server-side subscriptions", file: "connect: {subscribe: [news, \"date\"]}\n", change: func(c *Config) {
			c.Connect.Subscribe = Names{"news", "date"}
		}},
		{name: "no server-side subscriptions", file: "connect: {subscribe: [news]}\n", environ: []string{"BELFRY_CONNECT_SUBSCRIBE="}, change: func(*Config) {}},
		{name: "grants", file: "policy:\n  allow:\n  - {domain: a.com, ports: 80}\n  - {domain: '*.b.com', ports: '81,90-99'}\n", change: func(c *Config) {
			c.Policy.Allow = Grants{{"a.com", "80"}, {"*.b.com", "81,90-99"}}
		}},
		{name: "block and quoted text", file: "api:\n  key: |-\n    a b\nredis: {url: \"redis://h\"}\n", change: func(c *Config) {
			c.API.Key, c.Redis.URL = "a b", "redis://h"
		}},
		{name: "every variable", environ: []string{
			"BELFRY_HTTP_ADDR=h:1", "BELFRY_HTTP_IDLE=1m30s", "BELFRY_POLICY_ADDR=:2", "BELFRY_POLICY_ALLOW=a.com:80,81-82, *.b.com:*",
			"BELFRY_REDIS_URL=redis://r", "BELFRY_API_KEY=k", "BELFRY_ORIGINS=https://a.com, *.b.com,",
			"BELFRY_HOSTS=a.com, *.b.com,", "BELFRY_CONNECT_SUBSCRIBE=news, date,",
			"BELFRY_LOG_LEVEL=debug", "BELFRY_LOG_FORMAT=json",
			"BELFRY_LIMITS_BODY=1KiB", "BELFRY_LIMITS_MESSAGE=300", "BELFRY_LIMITS_BUFFER=1MiB", "BELFRY_LIMITS_SUBSCRIPTIONS=3",
			"BELFRY_LIMITS_CHANNELS=1000", "BELFRY_LIMITS_HISTORY=2MiB", "BELFRY_LIMITS_IDEMPOTENCY_KEYS=2000", "BELFRY_LIMITS_BACKLOG=3MiB",
			"BELFRY_LIMITS_UNREAD=4MiB",
			"BELFRY_LIMITS_CONNECTIONS=4", "BELFRY_LIMITS_CONNECTIONS_PER_ADDRESS=5",
			"BELFRY_LIMITS_PUBLISH_RATE=6",
		}, change: func(c *Config) {
			c.HTTP.Addr, c.Policy.Addr, c.Redis.URL, c.API.Key = "h:1", ":2", "redis://r", "k"
			c.HTTP.Idle, c.Log = Age(90*time.Second), Log{"debug", JSON}
			c.Policy.Allow = Grants{{"a.com", "80,81-82"}, {"*.b.com", "*"}}
			c.Origins = Origins{"https://a.com", "*.b.com"}
			c.Hosts, c.Connect.Subscribe = Hosts{"a.com", "*.b.com"}, Names{"news", "date"}
			l := &c.Limits
			l.Body, l.Message, l.Buffer, l.Subscriptions = 1<<10, 300, 1<<20, 3
			l.Channels, l.History, l.IdempotencyKeys, l.Backlog, l.Unread = 1000, 2<<20, 2000, 3<<20, 4<<20
			l.Connections, l.ConnectionsPerAddress, l.PublishRate = 4, 5, 6
		}},
		{name: "rules by variable", file: "channels:\n- {match: b, publish: [server]}\n", environ: []string{`BELFRY_CHANNELS=[{match: "a*", publish: [client], history: {size: 2}}]`}, change: func(c *Config) {
			c.Channels = []Channel{{Match: "a*", Publish: []string{Client}, History: History{Size: 2}}}
		}},
		{name: "rules by variable on several lines", environ: []string{"BELFRY_CHANNELS=# of the site\n- match: a\n  publish: [client]\n- match: \"*\"\n  publish: [server]\n"}, change: func(c *Config) {
			c.Channels = []Channel{{Match: "a", Publish: []string{Client}}, {Match: "*", Publish: []string{Server}}}
		}},
		{name: "lists that end in a line break", environ: []string{"BELFRY_ORIGINS=https://a.com,\nhttps://b.com\n"}, change: func(c *Config) {
			c.Origins = Origins{"https://a.com", "https://b.com"}
		}},
		{name: "variables of Kubernetes and Docker", environ: []string{
			"BELFRY_PORT=tcp://10.0.0.1:40132", "BELFRY_SERVICE_HOST=10.0.0.1", "BELFRY_SERVICE_PORT=40132", "BELFRY_SERVICE_PORT_HTTP=40132",
			"BELFRY_PORT_40132_TCP=tcp://10.0.0.1:40132", "BELFRY_PORT_40132_TCP_ADDR=10.0.0.1", "BELFRY_PORT_40132_TCP_PORT=40132", "BELFRY_PORT_40132_TCP_PROTO=tcp",
			"BELFRY_PORT_843_UDP=udp://10.0.0.1:843", "BELFRY_REDIS_MASTER_SERVICE_HOST=10.0.0.2", "BELFRY_REDIS_MASTER_SERVICE_PORT=6379",
			"BELFRY_REDIS_PORT=tcp://10.0.0.2:6379", "BELFRY_REDIS_PORT_6379_TCP_ADDR=10.0.0.2",
		}, change: func(*Config) {}},
		{name: "empty variables count", file: "redis: {url: redis://r}\norigins: [https://a.com]\nhosts: [a.com]\n", environ: []string{
			"BELFRY_POLICY_ADDR=", "BELFRY_REDIS_URL=", "BELFRY_ORIGINS=", "BELFRY_HOSTS=", "BELFRY_POLICY_ALLOW=",
		}, change: func(c *Config) { c.Policy.Addr = "" }},
		{name: "variables of others", environ: []string{"BELFRY_TEST_REQUIRE=1", "BELFRY_SERVER=http://h:1", "BELFR=1", "HOME=/", "=x", ""}, change: func(*Config) {}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := Default()
			test.change(&want)
			got, err := Load(write(t, test.file), test.environ)
			if err != nil {
				t.Fatalf("Load(%q, %q): %v", test.file, test.environ, err)
			}
			if diff := cmp.Diff(want, got, sameConfig); diff != "" {
				t.Errorf("Load(%q, %q) -want +got:\n%s", test.file, test.environ, diff)
			}
		})
	}
}

func TestLoadFaults(t *testing.T) {
	tests := []struct {
		name    string
		file    string
		environ []string
		want    []string
	}{
		{name: "unknown key", file: "http: {addres: ':1'}\n", want: []string{"b.yaml:1: http: unknown key addres; there are addr and idle"}},
		{name: "unknown section", file: "\nhistory: {}\n", want: []string{
			"b.yaml:2: unknown key history; there are http, policy, redis, api, tokens, origins, hosts, channels, connect, presence, legacy, log and limits"}},
		{name: "several at once", file: "http:\n  addr: 40132\nlimits:\n  body: big\n  buffer: []\nchannels:\n- match: a\n  publish: server\n", want: []string{
			`b.yaml:2: http.addr: "40132": is a number; want text, in quotes`,
			`b.yaml:4: limits.body: "big": want a size such as 512B, 64KiB, 1MiB, or a whole number of bytes`,
			"b.yaml:5: limits.buffer: is a list; want a size such as 64KiB",
			"b.yaml:8: channels[0].publish: is text; want a list, [] for an empty one"}},
		{name: "set twice", file: "http: {addr: ':1'}\nhttp: {addr: ':2'}\n", want: []string{"b.yaml:2: http: is set a second time"}},
		{name: "nothing where text is wanted", file: "http:\n  addr:\n", want: []string{`b.yaml:2: http.addr: is empty; want text, "" for none`}},
		{name: "nothing where a list is wanted", file: "origins:\n", want: []string{"b.yaml:1: origins: is empty; want a list, [] for an empty one"}},
		{name: "text where a section is wanted", file: "http: ':1'\n", want: []string{"b.yaml:1: http: is text; want a mapping with addr and idle"}},
		{name: "a number for a secret", file: "api: {key: 0123}\n", want: []string{"b.yaml:1: api.key: is a number; want text, in quotes"}},
		{name: "true for text", file: "policy: {addr: ''}\nhttp: {addr: true}\n", want: []string{
			`b.yaml:2: http.addr: "true": is true or false; want text, in quotes`}},
		{name: "numbers", file: "limits: {subscriptions: 1.5}\n", want: []string{`b.yaml:1: limits.subscriptions: "1.5": want a whole number`}},
		{name: "neither true nor false by variable", environ: []string{"BELFRY_LEGACY_ENABLED=maybe"}, want: []string{
			`BELFRY_LEGACY_ENABLED: legacy.enabled: "maybe": want true or false`}},
		{name: "a quoted number", file: "limits: {subscriptions: '5'}\n", want: []string{`b.yaml:1: limits.subscriptions: "5": want a whole number`}},
		{name: "neither true nor false", file: "channels: [{match: a, publish: [server], presence: yes please}]\n", want: []string{`b.yaml:1: channels[0].presence: is text; want true, false, or a mapping with read`}},
		{name: "a number that is too large", file: "limits: {subscriptions: 99999999999999999999}\n", want: []string{
			`b.yaml:1: limits.subscriptions: "99999999999999999999": want a whole number`}},
		{name: "text where a list of channels is wanted", file: "connect: {subscribe: news}\n", want: []string{
			"b.yaml:1: connect.subscribe: is text; want a list, [] for an empty one"}},
		{name: "a number for a channel", file: "connect: {subscribe: [7]}\n", want: []string{
			`b.yaml:1: connect.subscribe[0]: "7": is a number; want text, in quotes`}},
		{name: "an alias", file: "http: &a {addr: ':1'}\n", want: []string{"b.yaml:1: http: has an anchor, an alias or a tag; write the value itself"}},
		{name: "stars without quotes", file: "channels:\n- match: *\n  publish: [server]\n- match: *news\n  publish: [nobody]\n  hist: 1\norigins: [*.a.com, *]\nhosts:\n- *\nhttp: {adr: x}\n", want: []string{
			"b.yaml:2: " + wantQuotes, "b.yaml:4: " + wantQuotes, "b.yaml:7: " + wantQuotes, "b.yaml:7: " + wantQuotes, "b.yaml:9: " + wantQuotes,
			"b.yaml:6: channels[1]: unknown key hist; there are match, subscribe, publish, history and presence", "b.yaml:10: http: unknown key adr; there are addr and idle"}},
		{name: "a star without quotes by variable", environ: []string{"BELFRY_CHANNELS=[{match: *, publish: [server]}]"}, want: []string{"BELFRY_CHANNELS: channels: " + wantQuotes}},
		{name: "two documents", file: "http:\n---\nhttp:\n", want: []string{"b.yaml:3: a second document begins; want one"}},
		{name: "a list at the top", file: "- a\n", want: []string{
			"b.yaml:1: is a list; want a mapping with http, policy, redis, api, tokens, origins, hosts, channels, connect, presence, legacy, log and limits"}},
		{name: "no YAML", file: "http:\n  addr: 'x\n", want: []string{"b.yaml:2: not YAML: could not find end character of single-quoted text"}},
		{name: "nested", file: "http: " + strings.Repeat("[", 100_000), want: []string{
			"b.yaml:1: is nested deeper than 32 levels or has a line over 16KiB"}},
		{name: "nested lists", file: strings.Repeat("- ", 100_000), want: []string{
			"b.yaml:1: is nested deeper than 32 levels or has a line over 16KiB"}},
		{name: "unknown variable", environ: []string{"BELFRY_ZZ=1", "BELFRY_HTTP_ADR=secret"}, want: []string{
			"BELFRY_HTTP_ADR: unknown environment variable; there are " + variables, "BELFRY_ZZ: unknown environment variable; there are " + variables}},
		{name: "almost variables of Kubernetes", environ: []string{"BELFRY_HTTP_PORT=80", "BELFRY_PORT=8080", "BELFRY_PORT_80=1", "BELFRY_SERVICE=x", "BELFRY_SERVICE_HOSTS=x"}, want: []string{
			"BELFRY_HTTP_PORT: unknown environment variable; there are " + variables, "BELFRY_PORT: unknown environment variable; there are " + variables,
			"BELFRY_PORT_80: unknown environment variable; there are " + variables, "BELFRY_SERVICE: unknown environment variable; there are " + variables,
			"BELFRY_SERVICE_HOSTS: unknown environment variable; there are " + variables}},
		{name: "what is around a value", environ: []string{`BELFRY_API_KEY="key"`, "BELFRY_REDIS_URL='redis://h'", "BELFRY_HTTP_ADDR=:80\n", "BELFRY_LIMITS_BODY=1KiB\r\n", `BELFRY_LEGACY_ENABLED="true"`}, want: []string{
			`BELFRY_HTTP_ADDR: http.addr: ":80\n": ends in a line break, which would be a part of it; want it without`,
			"BELFRY_REDIS_URL: redis.url: is in quotes, which would be a part of it; want it without",
			"BELFRY_API_KEY: api.key: is in quotes, which would be a part of it; want it without",
			`BELFRY_LEGACY_ENABLED: legacy.enabled: "\"true\"": is in quotes, which would be a part of it; want it without`,
			`BELFRY_LIMITS_BODY: limits.body: "1KiB\r\n": ends in a line break, which would be a part of it; want it without`}},
		{name: "bad rules by variable", environ: []string{"BELFRY_CHANNELS=[{match: 7, publish: server, hist: 1}]"}, want: []string{
			`BELFRY_CHANNELS: channels[0].match: "7": is a number; want text, in quotes`,
			"BELFRY_CHANNELS: channels[0].publish: is text; want a list, [] for an empty one",
			"BELFRY_CHANNELS: channels[0]: unknown key hist; there are match, subscribe, publish, history and presence"}},
		{name: "rules by variable that are no list", environ: []string{"BELFRY_CHANNELS=chat"}, want: []string{
			"BELFRY_CHANNELS: channels: is text; want a list, [] for an empty one"}},
		{name: "rules by variable that are no YAML", environ: []string{"BELFRY_CHANNELS=[{match: 'a"}, want: []string{
			"BELFRY_CHANNELS: channels: not YAML: could not find end character of single-quoted text"}},
		{name: "the prefix alone", environ: []string{"BELFRY_=1"}, want: []string{"BELFRY_: unknown environment variable; there are " + variables}},
		{name: "bad variables", environ: []string{"BELFRY_LIMITS_BODY=1XB", "BELFRY_LIMITS_SUBSCRIPTIONS=many", "BELFRY_POLICY_ALLOW=80"}, want: []string{
			`BELFRY_POLICY_ALLOW: policy.allow: "80": want domain:ports, such as example.com:40132 or *.example.com:843,40000-40200`,
			`BELFRY_LIMITS_BODY: limits.body: "1XB": want a size such as 512B, 64KiB, 1MiB, or a whole number of bytes`,
			`BELFRY_LIMITS_SUBSCRIPTIONS: limits.subscriptions: "many": want a whole number`}},
		{name: "empty where nothing means nothing", environ: []string{"BELFRY_LIMITS_BODY="}, want: []string{
			`BELFRY_LIMITS_BODY: limits.body: "": want a value; leave the variable out for the default`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Load(write(t, test.file), test.environ)
			if diff := cmp.Diff(test.want, texts(t, err)); diff != "" {
				t.Errorf("Load(%.200q, %q) -want +got:\n%s", test.file, test.environ, diff)
			}
			if err := c.Check(readRedisURL); err != nil {
				t.Errorf("what could be read is at fault too: %v", err)
			}
		})
	}
}

const wantQuotes = `a value that begins with * needs quotes, as in match: "*"`

const variables = "BELFRY_HTTP_ADDR, BELFRY_HTTP_IDLE, BELFRY_POLICY_ADDR, BELFRY_POLICY_ALLOW, BELFRY_REDIS_URL, BELFRY_REDIS_CA, BELFRY_REDIS_CERT, BELFRY_REDIS_KEY, BELFRY_API_KEY, BELFRY_API_KEYS, BELFRY_TOKENS_KEYS, BELFRY_TOKENS_ISSUER, BELFRY_TOKENS_AUDIENCE, BELFRY_TOKENS_LEEWAY, BELFRY_TOKENS_ENDLESS, BELFRY_TOKENS_COOKIE, BELFRY_TOKENS_QUERY, BELFRY_ORIGINS, BELFRY_HOSTS, BELFRY_CHANNELS, " +
	"BELFRY_CONNECT_SUBSCRIBE, BELFRY_PRESENCE_TTL, BELFRY_LEGACY_ENABLED, BELFRY_LOG_LEVEL, BELFRY_LOG_FORMAT, BELFRY_LIMITS_BODY, BELFRY_LIMITS_MESSAGE, BELFRY_LIMITS_BUFFER, BELFRY_LIMITS_SUBSCRIPTIONS, " +
	"BELFRY_LIMITS_CHANNELS, BELFRY_LIMITS_HISTORY, BELFRY_LIMITS_IDEMPOTENCY_KEYS, BELFRY_LIMITS_BACKLOG, " +
	"BELFRY_LIMITS_UNREAD, BELFRY_LIMITS_CONNECTIONS, BELFRY_LIMITS_CONNECTIONS_PER_ADDRESS, BELFRY_LIMITS_PUBLISH_RATE, BELFRY_LIMITS_USER_CONNECTIONS, BELFRY_LIMITS_REVOCATIONS, BELFRY_CONFIG, BELFRY_SERVER and BELFRY_TOKEN"

func TestLoadWithoutFile(t *testing.T) {
	got, err := Load("", nil)
	if diff := cmp.Diff(Default(), got, sameConfig); err != nil || diff != "" {
		t.Errorf("Load: %v, -want +got:\n%s", err, diff)
	}
}

// TestFileByVariable names the file in the environment, which a flag comes before.
func TestFileByVariable(t *testing.T) {
	file, other := write(t, "http: {addr: ':1'}"), write(t, "http: {addr: ':2'}")
	for _, test := range []struct{ flag, variable, want string }{
		{"", file, ":1"}, {other, file, ":2"}, {"", "", ":40132"},
	} {
		if c, err := Load(test.flag, []string{"BELFRY_CONFIG=" + test.variable}); err != nil || c.HTTP.Addr != test.want {
			t.Errorf("flag %q, variable %q: %s, %v; want %s", test.flag, test.variable, c.HTTP.Addr, err, test.want)
		}
	}
	if _, err := Load("", []string{"BELFRY_CONFIG=/nowhere.yaml"}); err == nil || !strings.Contains(err.Error(), "/nowhere.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestLoadUnreadable(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"missing", filepath.Join(t.TempDir(), "none.yaml"), "configuration file: open "},
		{"a folder", t.TempDir(), "configuration file: read "},
		{"too large", write(t, strings.Repeat("#\n", maxFile/2)+"#"), "configuration file "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Load(test.file, nil); err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("Load: got error %v, want one that begins with %q", err, test.want)
			}
		})
	}
	if _, err := Load(write(t, strings.Repeat("#\n", maxFile/2)), nil); err != nil {
		t.Errorf("a file of exactly %v: %v", Size(maxFile), err)
	}
}
