package api

import (
	"fmt"
	"time"
	"unicode/utf8"

	"belfry/web/fault"
	"belfry/web/session"
)

// maxID is the longest ID of a client, session, user or token in bytes.
const maxID = 255

// checkID wants an ID in a field.
func checkID(field, id string) error {
	if id == "" || len(id) > maxID || !utf8.ValidString(id) {
		return fault.Field(field, fmt.Sprintf("1 to %d bytes of UTF-8 are expected", maxID))
	}
	return nil
}

// checkTarget wants somebody to be named, and no user where there are none.
func checkTarget(t session.Target, users bool) error {
	switch {
	case t == (session.Target{}):
		return fault.Field("client", "is missing: the ID is expected that a client is told when it connects, or a user, or the session of a client over HTTP")
	case t.User != "" && !users:
		return fault.Field("user", "there are no users here, because this server has no keys for tokens (tokens.keys): name a client, by the ID that it is told when it connects")
	}
	for _, named := range []struct{ field, id string }{{"user", t.User}, {"client", t.Client}, {"session", t.Session}} {
		if len(named.id) > maxID {
			return fault.Field(named.field, fmt.Sprintf("at most %d bytes are accepted", maxID))
		}
	}
	return nil
}

// future reads a time that is still to come.
func future(field string, seconds int64) (time.Time, error) {
	at := time.Unix(seconds, 0)
	switch {
	case seconds > latest:
		return at, fault.Field(field, "is after the year 2100: it seems to be in milliseconds; seconds since 1970 are expected")
	case !at.After(time.Now()):
		return at, fault.Field(field, "is over: a time to come is expected, in seconds since 1970")
	}
	return at, nil
}

// latest is the last second of the year 2100. What is later is no time in seconds.
const latest = 4_133_980_799
