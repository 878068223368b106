package token

import (
	"encoding/json"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are what a token says, once it was found good.
type Claims struct {
	// Key is the name of the key that has signed it, and Within what that may grant;
	// nil: everything.
	Key    string
	Within []string

	Subject string    // sub; empty: nobody in particular
	ID      string    // jti
	Issued  time.Time // iat; zero: it does not say
	// Until is when what the token is for ends; zero: never. It is exp, or expire_at
	// where there is one.
	Until time.Time

	Said
}

// Said are claims that need no checking here.
type Said struct {
	Info    json.RawMessage `json:"info"`
	B64Info string          `json:"b64info"` // info in base64
	Meta    json.RawMessage `json:"meta"`
	// Channels are those that the server is to subscribe a client to, and Subs the
	// same, with more to say of each.
	Channels []string       `json:"channels"`
	Subs     map[string]Sub `json:"subs"`
	// Channel is the one that a subscription token is for, Client the client, where it
	// is for one alone, and Allow what that may do there beside.
	Channel string   `json:"channel"`
	Client  string   `json:"client"`
	Allow   []string `json:"allow"`
	// Caps name channels and what may be done there, as Centrifugo has it. Belfry does
	// the same in short: patterns of channels by action.
	Caps   []Cap               `json:"caps"`
	Belfry map[string][]string `json:"belfry"`
}

// Sub is a channel that the server is to subscribe a client to. It has what
// Centrifugo's has, but for override.
type Sub struct {
	Info    json.RawMessage `json:"info"`
	B64Info string          `json:"b64info"`
	Data    json.RawMessage `json:"data"`
	B64Data string          `json:"b64data"`
}

// Cap names channels, and what may be done there: sub, pub, prs and hst.
type Cap struct {
	Channels []string `json:"channels"`
	Match    string   `json:"match"` // empty: names; wildcard, or regex
	Allow    []string `json:"allow"`
}

// payload are all claims that are looked at.
type payload struct {
	jwt.Claims `json:"-"` // for the library, which does not use it

	Subject   string           `json:"sub"`
	ID        string           `json:"jti"`
	Issuer    string           `json:"iss"`
	Audience  jwt.ClaimStrings `json:"aud"`
	Expires   *float64         `json:"exp"`
	NotBefore *float64         `json:"nbf"`
	Issued    *float64         `json:"iat"`
	ExpireAt  *float64         `json:"expire_at"`
	Said
}

// latest is the last second of the year 2100. What is later is no time in seconds.
const latest = 4_133_980_799

// checkTimes wants times to be numbers of seconds.
func (p *payload) checkTimes() error {
	for _, t := range []struct {
		name string
		at   *float64
	}{{"exp", p.Expires}, {"nbf", p.NotBefore}, {"iat", p.Issued}, {"expire_at", p.ExpireAt}} {
		switch {
		case t.at == nil:
		case *t.at < 0:
			return errorf(Bad, "claim %s: is negative; want seconds since 1970", t.name)
		case *t.at > latest:
			return errorf(Bad, "claim %s: is after the year 2100: it seems to be in milliseconds; want seconds since 1970", t.name)
		}
	}
	return nil
}

// moment is the time of a claim, with fractions of a second.
func moment(seconds *float64) time.Time {
	if seconds == nil {
		return time.Time{}
	}
	whole, part := math.Modf(*seconds)
	return time.Unix(int64(whole), int64(part*1e9))
}

// until is when what the token is for ends.
func (p *payload) until() time.Time {
	switch {
	case p.ExpireAt == nil:
		return moment(p.Expires)
	case *p.ExpireAt == 0:
		return time.Time{}
	}
	return moment(p.ExpireAt)
}
