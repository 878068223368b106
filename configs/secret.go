package configs

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
)

// hidden is what a secret prints instead of itself.
const hidden = "(hidden)"

// Secret is text that must not be shown. Printed in any way, by fmt, slog,
// YAML or JSON, it is "(hidden)", or nothing when it is empty. Reveal returns
// the text.
type Secret string

// Reveal returns the text itself. Keep it out of logs and errors.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format hides the text for every verb; a Stringer alone would not for %d.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue hides the text from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the text from YAML and JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// URL is the address of a server, perhaps with a password. Printed in any way
// it hides the password, and whole if it cannot be told where that is. Reveal
// returns the text.
type URL string

// Reveal returns the text itself. Keep it out of logs and errors.
func (u URL) Reveal() string { return string(u) }

func (u URL) String() string {
	if u == "" {
		return ""
	}
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.Host == "" {
		return hidden
	}
	if user := parsed.User; user != nil {
		parsed.User = nil
		name := ""
		// A name alone is often meant to be a password.
		if _, both := user.Password(); both {
			name = url.User(user.Username()).String() + ":"
		}
		return parsed.Scheme + "://" + name + hidden + "@" + parsed.String()[len(parsed.Scheme)+len("://"):]
	}
	return parsed.String()
}

// Format hides the password for every verb.
func (u URL) Format(f fmt.State, _ rune) { io.WriteString(f, u.String()) }

// LogValue hides the password from slog.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText hides the password from YAML and JSON.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
