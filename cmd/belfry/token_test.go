package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"belfry/configs"
	"belfry/hub/hubtest"
	"belfry/web/token"
)

const testSecret = "0123456789abcdef0123456789abcdef"

// tokenFile is a configuration with users.
const tokenFile = `tokens:
  keys:
    - {name: main, algorithm: HS256, secret: ` + testSecret + `}
    - {name: narrow, algorithm: HS256, secret: "narrow-narrow-narrow-narrow-narrow", channels: ["team:*"]}
  audience: belfry
  issuer: https://example.com
channels:
  - {match: "team:*", subscribe: [token], publish: [subscriber], history: {size: 10}}
  - {match: "user:{user}:*", subscribe: [user]}
`

// runToken runs belfry token.
func runToken(t *testing.T, stdin string, environ []string, args ...string) result {
	t.Helper()
	var out, err output
	code := run(t.Context(), append([]string{"token"}, args...), &terminal{in: strings.NewReader(stdin), out: &out, err: &err, environ: environ})
	return result{code, out.String(), err.String()}
}

// TestTokenIsTaken makes tokens, and says of each what it is good for.
func TestTokenIsTaken(t *testing.T) {
	file := writeFile(t, tokenFile)
	for _, c := range []struct {
		make, check []string
		want        []string // on standard output
	}{
		{[]string{"--user", "ada", "--subscribe", "team:7:*", "--subscribe", "news", "--publish", "team:7:*", "--info", `{"name":"Ada"}`}, nil,
			[]string{"taken\n", "user       ada\n", "key        main\n", " UTC, in ", "subscribe  team:7:*, news\n", "publish    team:7:*\n", "info       {\"name\":\"Ada\"}\n"}},
		{[]string{"--subscribe", "team:7:*"}, []string{"--channel", "team:7:chat"},
			[]string{"user       nobody in particular\n", "on team:7:chat\n\nsubscribe  yes\npublish    yes\nhistory    yes\npresence   no: the channel has no presence\n"}},
		{[]string{"--user", "ada"}, []string{"--channel", "user:bob:mail"}, []string{"subscribe  no: user \"ada\" may not subscribe to \"user:bob:mail\"", "history    no: "}},
		{[]string{"--user", "ada", "--channel", "$team"}, nil, nil},
		{[]string{"--user", "ada", "--channel", "team:7"}, []string{"--channel", "team:8"},
			[]string{"subscribe  team:7 (a token for one subscription", "on team:8\n\nsubscribe  no: it is a token for one subscription, to \"team:7\"\n"}},
		{[]string{"--user", "ada", "--key", "narrow", "--subscribe", "team:7"}, nil, []string{"key             narrow\n", "counts only on  team:*\n"}},
		{[]string{"--user", "ada", "--ttl", "48h"}, nil, []string{"UTC, in 4"}},
	} {
		made := runToken(t, "", nil, append([]string{"--config", file}, c.make...)...)
		if c.want == nil {
			if made.code != 1 || !strings.Contains(made.err, `belfry: no server with this configuration would take such a token: `) {
				t.Errorf("%q: %+v", c.make, made)
			}
			continue
		}
		got := runToken(t, "Bearer "+made.out, nil, append([]string{"check", "-", "--config", file}, c.check...)...)
		for _, want := range c.want {
			if got.code != 0 || made.code != 0 || !strings.Contains(got.out, want) || got.err != "" {
				t.Errorf("%q: %+v\n%+v\nwant %q", c.make, made, got, want)
			}
		}
	}
	made := runToken(t, "", nil, "--config", file, "--user", "ada", "--json")
	var answer struct {
		Token         string
		Claims        struct{ Sub, Aud, Iss string }
		Taken         bool
		User, Key     string
		Until, Reason string
		May           map[string]bool
	}
	if err := json.Unmarshal([]byte(made.out), &answer); err != nil || answer.Claims.Aud != "belfry" {
		t.Fatalf("as JSON: %+v, %v", made, err)
	}
	got := runToken(t, "", nil, "check", answer.Token, "--config", file, "--json", "--channel", "user:ada:mail")
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil || !answer.Taken || answer.User != "ada" || answer.Key != "main" || !answer.May["subscribe"] || answer.May["publish"] {
		t.Errorf("as JSON: %+v, %v", got, err)
	}
	if until, err := time.Parse(time.RFC3339, answer.Until); err != nil || time.Until(until) > time.Hour {
		t.Errorf("until %q", answer.Until)
	}
}

// TestTokenIsNotTaken says exactly why, shows what the token claims, and no secret.
func TestTokenIsNotTaken(t *testing.T) {
	file := writeFile(t, tokenFile)
	now := time.Now().Unix()
	key := func(secret string) token.Key { return token.Key{Algorithm: "HS256", Secret: secret} }
	main := key(testSecret)
	for name, c := range map[string]struct {
		key    token.Key
		change map[string]any
		err    string
		out    string
	}{
		"expired":      {main, map[string]any{"exp": now - 90}, "invalid, claim exp: it expired 1m3", "UTC, 1m3"},
		"not yet":      {main, map[string]any{"nbf": now + 100}, "claim nbf: it is good in 1m", "nbf     "},
		"milliseconds": {main, map[string]any{"exp": now * 1000}, "claim exp: is after the year 2100: it seems to be in milliseconds", "in milliseconds it is 20"},
		"wrong key":    {key("another secret, of whatever length it may be"), nil, "the signature is none of the keys'", `sub     "ada"`},
		"line break":   {key(testSecret + "\n"), nil, "with a line break behind it", ""},
		"algorithm":    {token.Key{Algorithm: "HS512", Secret: testSecret}, nil, "HS512 is the algorithm of none of the keys, which are for HS256", "HS512"},
		"audience":     {main, map[string]any{"aud": "other"}, `claim aud: ["other"]; want "belfry" (tokens.audience)`, `"other"`},
		"issuer":       {main, map[string]any{"iss": ""}, `claim iss: ""; want "https://example.com" (tokens.issuer)`, ""},
		"no exp":       {main, map[string]any{"exp": nil}, "claim exp: is missing", ""},
		"a number":     {main, map[string]any{"sub": 7}, "claim sub: is of another type", "sub     7"},
		"an action":    {main, map[string]any{"belfry": map[string]any{"listen": []string{"a"}}}, `claim belfry: "listen" is no action`, ""},
	} {
		claims := map[string]any{"sub": "ada", "exp": now + 60, "aud": []string{"belfry"}, "iss": "https://example.com"}
		for name, value := range c.change {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
		text, err := token.Sign(c.key, claims)
		if err != nil {
			t.Fatal(err)
		}
		got := runToken(t, "", nil, "check", text, "--config", file)
		_, reason, _ := strings.Cut(c.err, "invalid, ")
		if reason == "" {
			reason = c.err
		}
		if got.code != 1 || !strings.HasPrefix(got.err, "belfry: this token is not taken: ") || !strings.Contains(got.err, reason) || !strings.Contains(got.out, c.out) || strings.Contains(got.out+got.err, testSecret) {
			t.Errorf("%s: got %+v, want %q and %q", name, got, c.err, c.out)
		}
		asJSON := runToken(t, text, nil, "check", "-", "--config", file, "--json")
		var answer struct {
			Taken  bool
			Reason string
			Claims map[string]any
		}
		if err := json.Unmarshal([]byte(asJSON.out), &answer); err != nil || answer.Taken || !strings.Contains(answer.Reason, reason) || asJSON.code != 1 || len(answer.Claims) != len(claims) {
			t.Errorf("%s as JSON: %+v", name, asJSON)
		}
	}
}

// TestTokenKeysElsewhere checks a token by keys at a URL, signs with none that is
// public, and says when there is no key at all.
func TestTokenKeysElsewhere(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKIXPublicKey(private.Public())
	public := strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "\n", `\n`)
	away := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(away.Close)
	text, err := token.Sign(token.Key{Algorithm: "HS256", Secret: testSecret}, map[string]any{"sub": "ada", "exp": time.Now().Unix() + 60})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ keys, args, err string }{
		"signs with a public key":   {fmt.Sprintf("[{name: idp, algorithm: ES256, public_key: '%s'}]", public), "--user ada", "none of the keys has a secret to sign with (tokens.keys: idp)"},
		"signs with that by name":   {fmt.Sprintf("[{name: idp, algorithm: ES256, public_key: '%s'}]", public), "--user ada --key idp", `the key "idp" has no secret`},
		"signs with another":        {"[{name: a, algorithm: HS256, secret: " + testSecret + "}]", "--user ada --key b", `--key: there is no "b" in tokens.keys; there are a`},
		"signs with none":           {"", "--user ada", "no key for tokens is configured (tokens.keys)"},
		"is checked by none":        {"", "check " + text, "this token is not taken: no key for tokens is configured"},
		"is checked by a URL":       {fmt.Sprintf("[{name: site, jwks: '%s'}]", away.URL), "check " + text, "header alg: HS256 is the algorithm of none of the keys"},
		"is no token":               {"[{name: a, algorithm: HS256, secret: " + testSecret + "}]", "check hello", "it is no JSON Web Token"},
		"is a wrong configuration":  {"[{name: a}]", "check " + text, "tokens.keys[0]"},
		"is empty":                  {"", "check -", "standard input has no token"},
		"is of a file that is away": {"", "check x --config /nowhere", "/nowhere"},
	} {
		environ := []string{"BELFRY_TOKENS_KEYS=" + c.keys}
		if c.keys == "" {
			environ = nil
		}
		got := runToken(t, "", environ, strings.Fields(c.args)...)
		if got.code != 1 || !strings.Contains(got.err, c.err) || strings.Contains(got.err, testSecret) {
			t.Errorf("a token that %s: got %+v, want %q", name, got, c.err)
		}
	}
	for _, args := range []string{"", "--user a --ttl 0s", "--user a --info {", "--channel a --subscribe b", "--subscribe a\x01", "check", "check a --channel \x01"} {
		if got := runToken(t, "", nil, strings.Fields(args)...); got.code != 2 || got.out != "" {
			t.Errorf("%q: got %+v, want exit code 2", args, got)
		}
	}
}

// TestSubscribeWithToken is let in where a token is needed, and says why not without.
func TestSubscribeWithToken(t *testing.T) {
	server := string(runProgram(t, func(c *configs.Config) {
		c.Tokens.Keys = []configs.TokenKey{{Name: "main", Algorithm: "HS256", Secret: testSecret}}
		c.Channels = []configs.Channel{{Match: "user:{user}:*"}}
	}))
	made := func(exp time.Duration) string {
		text, err := token.Sign(token.Key{Algorithm: "HS256", Secret: testSecret}, map[string]any{"sub": "ada", "exp": time.Now().Add(exp).Unix()})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	f := subscribe(t, "subscribed to user:ada:mail", "--server", server, "--count", "1", "--token", made(time.Hour), "user:ada:mail")
	if got := belfry(t, "", "publish", "--server", server, "--key", testKey, "user:ada:mail", "for ada"); got.code != 0 {
		t.Fatalf("publish: %+v", got)
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.HasSuffix(f.out.String(), "for ada\n") }, "it is printed")
	for name, c := range map[string]struct{ token, want string }{
		"none":    {"", "not subscribed to user:ada:mail: permission denied: a token is needed here"},
		"expired": {made(-time.Hour), "the server refuses the connection: token expired; give another with BELFRY_TOKEN or --token"},
		"forged":  {made(time.Hour) + "x", "invalid token (close code 3500)"},
	} {
		got := belfry(t, "", "subscribe", "--server", server, "--token", c.token, "user:ada:mail")
		if got.code != 1 || !strings.Contains(got.err, c.want) || c.token != "" && strings.Contains(got.err, c.token) {
			t.Errorf("%s: got %+v, want %q", name, got, c.want)
		}
	}
}
