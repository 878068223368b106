package token

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// Unverified is what a token says, whoever has made it: to be shown to people, and for
// no decision. Its parts are JSON objects.
type Unverified struct{ Header, Claims json.RawMessage }

// Read reads a token without checking it. Its errors are of the type [Error].
func Read(text string) (u Unverified, err error) {
	parts := strings.Split(text, ".")
	if len(text) > MaxLength || len(parts) != 3 {
		return u, errorf(Bad, "it has %d bytes in %d parts; want at most %d, in three parts with dots between", len(text), len(parts), MaxLength)
	}
	for i, to := range []*json.RawMessage{&u.Header, &u.Claims} {
		part, err := base64.RawURLEncoding.DecodeString(parts[i])
		var object map[string]json.RawMessage
		if err != nil || json.Unmarshal(part, &object) != nil || object == nil {
			return Unverified{}, errorf(Bad, "part %d is no JSON object in base64url", i+1)
		}
		*to = part
	}
	return u, nil
}
