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
		"policy:\n  allow:\n  - {domain: a, ports: 80-90}\n", "origins: ['*', https://a]", "api: {key: 0123}", "redis: {url: redis://:p@h}",
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
