package configs

import (
	"regexp"
	"strings"
	"time"
)

// API configures the HTTP API of backends.
type API struct {
	// Key is what a backend must show, with every right. Empty: one is made at each
	// start, unless there are Keys.
	Key Secret `json:"key" env:"KEY"`
	// Keys are more of them, each with a name and with rights of its own.
	Keys []APIKey `json:"keys" env:"KEYS"`
}

// APIKey is a key of the HTTP API.
type APIKey struct {
	// Name is for people, 1 to 64 letters, digits and signs; each has another.
	Name string `json:"name"`
	// Key is the key itself, and SHA256 the SHA-256 of it in hexadecimal. One of them.
	Key    Secret `json:"key" yaml:"key,omitempty"`
	SHA256 string `json:"sha256" yaml:"sha256,omitempty"`
	// Calls are those that may be made. Empty: all, or those that are about channels
	// where Channels says which.
	Calls []string `json:"calls" yaml:"calls,omitempty"`
	// Channels are patterns of the only channels that may be used. Empty: all.
	Channels []string `json:"channels" yaml:"channels,omitempty"`
	// Expires is from when on the key is refused: a day, in UTC, or a time of RFC 3339.
	// Empty: never.
	Expires string `json:"expires" yaml:"expires,omitempty"`
}

// Until is from when on the key is refused; zero: never, or at no time that can be read.
func (k APIKey) Until() time.Time {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, k.Expires); err == nil {
			return t
		}
	}
	return time.Time{}
}

// maxAPIKeys is how many keys there may be: each request is held against all of them.
const maxAPIKeys = 100

var sum256 = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func (k *checker) api(a API) {
	k.apiKey("api.key", a.Key)
	named(k, "api.keys", a.Keys, maxAPIKeys, func(key APIKey) string { return key.Name }, k.oneAPIKey)
}

func (k *checker) oneAPIKey(path string, key APIKey) {
	switch {
	case (key.Key == "") == (key.SHA256 == ""):
		k.fault(path, "want one of key and sha256, which belfry key makes")
	case key.Key != "":
		k.apiKey(path+".key", key.Key)
	case !sum256.MatchString(key.SHA256):
		k.fault(path+".sha256", "want the SHA-256 of a key, 64 hexadecimal digits; belfry key makes one")
	}
	if key.Expires != "" && key.Until().IsZero() {
		k.fault(path+".expires", "%.40q: want a day such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z", key.Expires)
	}
	k.items(path+".calls", len(key.Calls))
	k.patterns(path+".channels", key.Channels)
}

// patterns looks at patterns of channels, without the one for users.
func (k *checker) patterns(path string, patterns []string) {
	if !k.items(path, len(patterns)) {
		return
	}
	for i, pattern := range patterns {
		if !isName(pattern) || hasUser(pattern) {
			k.fault(index(path, i), "%.300q: want a pattern of channels, with * for any run of characters", pattern)
		}
	}
}

func (k *checker) apiKey(path string, s Secret) {
	bad := func(r rune) bool { return r <= ' ' || r > '~' }
	switch {
	case s == hidden:
		k.fault(path, "is what is printed in place of a key; want the key itself")
	case wrapping(s.Reveal()) != "":
		k.fault(path, "%s", wrapping(s.Reveal()))
	case len(s) > maxKey || strings.ContainsFunc(s.Reveal(), bad):
		k.fault(path, "%v: want at most %d letters, digits and signs of ASCII, without spaces", s, maxKey)
	}
}
