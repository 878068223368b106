package configs

import (
	"cmp"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Tokens configures by which tokens a backend says who its users are.
type Tokens struct {
	// Keys are those that tokens may be signed with. None: there are no users.
	Keys []TokenKey `json:"keys" env:"KEYS"`
	// Issuer and Audience are what the claims iss and aud have to be, or to have. Empty:
	// anything.
	Issuer   string `json:"issuer" env:"ISSUER"`
	Audience string `json:"audience" env:"AUDIENCE"`
	// Leeway is how much clocks may differ, 0s to 5m.
	Leeway Age `json:"leeway" env:"LEEWAY"`
	// Endless accepts tokens that never expire.
	Endless bool `json:"endless" env:"ENDLESS"`
	// Cookie names one that has a token, for pages that may connect. Empty: none.
	Cookie string `json:"cookie" env:"COOKIE"`
	// Query accepts tokens in URLs, which are written to logs.
	Query bool `json:"query" env:"QUERY"`
}

// TokenKey is a key that tokens may be signed with: a secret, a public key or the URL of
// some.
type TokenKey struct {
	// Name is for people, 1 to 64 letters, digits and signs; each has another.
	Name string `json:"name"`
	// Algorithm is the one that the key is for, such as HS256, RS256, ES256 or EdDSA.
	// It may be left out beside JWKS.
	Algorithm string `json:"algorithm" yaml:"algorithm,omitempty"`
	// Secret is that of the algorithms HS256, HS384 and HS512.
	Secret Secret `json:"secret" yaml:"secret,omitempty"`
	// PublicKey is a PEM block, or the name of a file that has one.
	PublicKey string `json:"public_key" yaml:"public_key,omitempty"`
	// JWKS is the https:// URL of public keys.
	JWKS URL `json:"jwks" yaml:"jwks,omitempty"`
	// Channels are patterns of the only channels on which tokens of the key count.
	// Empty: they count on all.
	Channels []string `json:"channels" yaml:"channels,omitempty"`
}

var cookieName = regexp.MustCompile("^[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,128}$")

// maxTokenKeys is how many keys there may be: a token is held against many of them.
const maxTokenKeys = 20

func (k *checker) tokens(c Config) {
	t := c.Tokens
	named(k, "tokens.keys", t.Keys, maxTokenKeys, func(key TokenKey) string { return key.Name }, k.tokenKey)
	within(k, "tokens.leeway", t.Leeway, 0, Age(5*time.Minute))
	if t.Cookie != "" && !cookieName.MatchString(t.Cookie) {
		k.fault("tokens.cookie", "%.100q: want the name of a cookie, of letters, digits and signs without spaces", t.Cookie)
	}
	if i := slices.Index(c.Origins, "*"); t.Cookie != "" && i >= 0 {
		k.fault("tokens.cookie", `lets pages in by what a browser sends by itself, and with "*" (%s) those of any site; want the origins one by one, or no cookie`, k.where(index("origins", i)))
	}
	if len(t.Keys) == 0 {
		k.noTokens(c)
	}
}

// noTokens refuses what is said of users when there are none.
func (k *checker) noTokens(c Config) {
	t := c.Tokens
	for _, said := range []struct {
		key string
		set bool
	}{{"issuer", t.Issuer != ""}, {"audience", t.Audience != ""}, {"endless", t.Endless}, {"cookie", t.Cookie != ""}, {"query", t.Query}} {
		if said.set {
			k.fault("tokens."+said.key, "is of no use without a key that tokens are signed with (%s)", k.where("tokens.keys"))
		}
	}
	for i, rule := range c.Channels {
		path := index("channels", i)
		if hasUser(rule.Match) {
			k.fault(path+".match", "%.300q: there are no users without a key that their tokens are signed with (%s)", rule.Match, k.where("tokens.keys"))
		}
		for _, l := range rule.lists(path) {
			for at, word := range l.words {
				if word == User || word == Token {
					k.fault(index(l.key, at), "%q: there is none without a key that tokens are signed with (%s)", word, k.where("tokens.keys"))
				}
			}
		}
	}
}

func (k *checker) tokenKey(path string, key TokenKey) {
	var has []string
	if key.Secret != "" {
		has = append(has, "secret")
	}
	if key.PublicKey != "" {
		has = append(has, "public_key")
	}
	if key.JWKS != "" {
		has = append(has, "jwks")
	}
	if len(has) != 1 {
		k.fault(path, "has %s; want one of secret, public_key and jwks", cmp.Or(list(has), "nothing to check a signature with"))
	}
	switch wrapped := wrapping(key.Secret.Reveal()); {
	case key.Secret == hidden:
		k.fault(path+".secret", "is what is printed in place of a secret; want the secret itself")
	case wrapped != "":
		k.fault(path+".secret", "%s", wrapped)
	case len(key.Secret) > 4<<10:
		k.fault(path+".secret", "%v: want at most 4096 bytes", key.Secret)
	}
	if key.JWKS != "" && !isKeyURL(key.JWKS.Reveal()) {
		k.fault(path+".jwks", "%v: want https://host/path; http:// is accepted for this machine, and for names without a dot", key.JWKS)
	}
	k.patterns(path+".channels", key.Channels)
}

// isKeyURL reports whether keys may be fetched from there: whoever can change them on
// the way says which tokens are good.
func isKeyURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	local := ip != nil && ip.IsLoopback() || ip == nil && !strings.Contains(u.Hostname(), ".")
	return u.Scheme == "https" || u.Scheme == "http" && local
}
