package configs

import (
	"errors"
	"time"
)

// Age is a length of time. Its text is a number with a unit, such as 10m, 24h or
// 1h30m.
type Age time.Duration

// String writes an age as it is read, without parts that are zero.
func (a Age) String() string {
	d := time.Duration(a)
	switch {
	case d == 0:
		return "0s"
	case d%time.Hour == 0:
		return trimUnit(d, "0m0s")
	case d%time.Minute == 0:
		return trimUnit(d, "0s")
	}
	return d.String()
}

func trimUnit(d time.Duration, zero string) string {
	text := d.String()
	return text[:len(text)-len(zero)]
}

// MarshalText is String, for YAML and JSON.
func (a Age) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what String writes.
func (a *Age) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return errors.New("want an age such as 30s, 10m, 24h")
	}
	*a = Age(d)
	return nil
}
