package configs

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzLoadYAML: any bytes give a Config or faults with their line, and what is
// accepted can be printed and read again.
func FuzzLoadYAML(f *testing.F) {
	sample, err := os.ReadFile("belfry.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	for _, text := range []string{
		"", "---\n", "a: b", "http: {addr: ':1'}", "limits: {body: 1KiB, subscriptions: 1e3}", "channels:\n- match: '*'\n  publish: [server]",
		"tokens: {keys: [{name: a, algorithm: HS256, secret: hush}, {name: b, jwks: 'https://h/k', channels: ['a*']}, {name: c, public_key: k.pem}], leeway: 1s}", "channels: [{match: '{user}', subscribe: [user], history: {size: 1, read: []}, presence: {read: [user]}}, {match: a, presence: no}, {match: b, presence: [x]}]", "policy:\n  allow:\n  - {domain: a, ports: 80-90}\n", "origins: ['*', https://a]", "api: {key: 0123}", "redis: {url: redis://:p@h}",
		"<<: *a", "? a\n: b", "[[[", "- - -", "http: &a\n  addr: *a", "http: !!str x", "a: |\n  b\n", "\"a\": 'b", "%YAML 1.2\n---\n", "\x00\xff\t",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := Default()
		c.from = places{}
		for _, fault := range loadYAML(&c, "b.yaml", text) {
			if fault.Place == "" || fault.Problem == "" {
				t.Errorf("fault without a place or a problem: %+v", fault)
			}
		}
		if c.Check(readRedisURL) != nil {
			return
		}
		printedAgain(t, c)
	})
}

func printedAgain(t *testing.T, c Config) {
	c.API.Key, c.Redis.URL = "", ""
	for i := range c.API.Keys {
		c.API.Keys[i].Key = ""
	}
	for i := range c.Tokens.Keys {
		c.Tokens.Keys[i].Secret, c.Tokens.Keys[i].JWKS = "", ""
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatalf("%v in %+v", err, c)
	}
	back := Config{from: places{}}
	if faults := loadYAML(&back, "printed", text); len(faults) > 0 {
		t.Fatalf("%v in:\n%s", faults, text)
	}
	if diff := cmp.Diff(c, back, sameConfig); diff != "" {
		t.Errorf("-printed +read:\n%s", diff)
	}
}

// FuzzEnviron: any values of variables give a Config or faults that name their
// variable and show no secret, and what is accepted can be printed and read again.
func FuzzEnviron(f *testing.F) {
	var variables []string
	c := Default()
	for _, s := range settings(&c) {
		variables = append(variables, s.env)
	}
	for _, value := range []string{
		"", "1", "-1", "1e3", "0x10", "true", "FALSE", "10m", "-5s", "1h30m", "1KiB", "99999999999999999999", "9223372036854775807GiB", ":80", "[::1]:0",
		"a,b", ",", "https://a,*.b", "*:*", "a.com:80,81-82, *.b.com:*", "redis://u:p@h/1", "redis://u:p/w%@h", "\xff", "a\nb", "$HOME", "${X}", "\x00", "=",
	} {
		for i := range variables {
			f.Add(uint8(i), value, uint8(i+1), value)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, value string, j uint8, other string) {
		one, two := variables[int(i)%len(variables)], variables[int(j)%len(variables)]
		c := Default()
		c.from = places{}
		for _, fault := range loadEnviron(&c, []string{one + "=" + value, two + "=" + other}) {
			if fault.Place != one && fault.Place != two || fault.Problem == "" {
				t.Errorf("fault without its variable or a problem: %+v", fault)
			}
		}
		if c.Check(readRedisURL) == nil {
			printedAgain(t, c)
		}
	})
}
