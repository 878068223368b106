package configs

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The sample says everything there is, and the same as the defaults.
func TestSample(t *testing.T) {
	text, err := os.ReadFile("belfry.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sample := Config{from: places{}}
	if err := loadYAML(&sample, "belfry.yaml", text).err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), sample, sameConfig); diff != "" {
		t.Errorf("-defaults +belfry.yaml:\n%s", diff)
	}
	for _, s := range settings(&sample) {
		if sample.from[s.key] == "" {
			t.Errorf("%s is not in belfry.yaml", s.key)
		}
		if !strings.Contains(string(text), s.env) {
			t.Errorf("%s is not in belfry.yaml", s.env)
		}
	}
	for _, inner := range []string{"domain:", "ports:", "match:", "publish:"} {
		if !strings.Contains(string(text), inner) {
			t.Errorf("%s is not in belfry.yaml", inner)
		}
	}
}

// What is printed can be read again and is the same.
func TestPrintedIsReadable(t *testing.T) {
	c := Default()
	c.Policy.Allow = Grants{{"*.example.com", "843,40000-40200"}, {"*", "*"}}
	c.Origins = Origins{"*", "*.example.com", "http://[::1]:80"}
	c.Hosts = Hosts{"*", "*.example.com", "belfry"}
	c.Connect.Subscribe = Names{"news", "7", "*"}
	c.Limits.Message = 1001
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Load(write(t, string(text)), nil)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	if diff := cmp.Diff(c, back, sameConfig); diff != "" {
		t.Errorf("-printed +read:\n%s", diff)
	}
}
