package configs

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

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
	for _, inner := range []string{"domain:", "ports:", "match:", "publish:", "subscribe: [", "read: [", "name:", "algorithm:", "secret:", "public_key:", "jwks:", "channels: [", "sha256:", "calls: [", "expires:"} {
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
	c.Tokens = Tokens{Keys: []TokenKey{{Name: "a", Algorithm: "ES256", PublicKey: "a.pem", Channels: []string{"a*"}}, {Name: "b", JWKS: "https://a/b"}},
		Issuer: "i", Audience: "a", Leeway: Age(time.Second), Endless: true, Cookie: "c", Query: true}
	c.API.Keys = []APIKey{{Name: "a", SHA256: strings.Repeat("0a", 32), Calls: []string{"publish"}, Channels: []string{"a*"}, Expires: "2027-01-31"}}
	c.Channels = append(c.Channels, Channel{Match: "{user}", Subscribe: []string{User}, History: History{Size: 1, Read: []string{User}},
		Presence: ChannelPresence{true, []string{User, Server}}}, Channel{Match: "off"})
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

// TestInForce writes the defaults of rules out, and changes nothing else. It can be
// printed and read again.
func TestInForce(t *testing.T) {
	c := Default()
	c.Channels = []Channel{
		{Match: "a", History: History{Size: 1}, Presence: ChannelPresence{On: true}},
		{Match: "user:{user}"},
		{Match: "*", Subscribe: []string{Server}, Publish: []string{Token}, History: History{Size: 1, Read: []string{User}}},
	}
	want := Default()
	want.Channels = []Channel{
		{Match: "a", Subscribe: []string{Anyone}, Publish: []string{Server}, History: History{Size: 1, Read: []string{Subscriber}},
			Presence: ChannelPresence{true, []string{Subscriber}}},
		{Match: "user:{user}", Subscribe: []string{User}, Publish: []string{Server}},
		{Match: "*", Subscribe: []string{Server}, Publish: []string{Token}, History: History{Size: 1, Read: []string{User}}},
	}
	got := c.InForce()
	withKeys := c
	withKeys.Tokens.Keys = someKeys
	if r := withKeys.InForce().Channels; r[0].Subscribe[0] != User || r[2].Subscribe[0] != Server {
		t.Errorf("with keys for tokens, %v and %v subscribe", r[0].Subscribe, r[2].Subscribe)
	}
	if diff := cmp.Diff(want, got, sameConfig); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if c.Channels[0].Subscribe != nil {
		t.Error("the configuration itself has changed")
	}
	printedAgain(t, got)
	text, err := json.Marshal(got.Channels[:2])
	if err != nil || !strings.Contains(string(text), `"presence":{"read":["subscriber"]}`) || !strings.Contains(string(text), `"presence":false`) {
		t.Errorf("in JSON it is %s, %v", text, err)
	}
}
