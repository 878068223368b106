package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"belfry/web/fault"
)

var errUnauthorized = fault.New(fault.Unauthorized, "a valid API key is needed: send the header X-API-Key: KEY or Authorization: apikey KEY")

// Key is the key of the HTTP API. The zero Key refuses everybody.
type Key struct {
	sum [sha256.Size]byte
	set bool
}

// NewKey returns the key with a text; an empty one refuses everybody.
func NewKey(text string) Key { return Key{sha256.Sum256([]byte(text)), text != ""} }

// Check returns who makes a request of the HTTP API: [Backend], or an error for
// one that does not show the key. It compares in constant time, also keys of
// another length. A key in the URL, which Centrifugo takes too, is not looked at:
// URLs are written to logs.
func (k Key) Check(r *http.Request) (*Identity, error) {
	key := r.Header.Get("X-API-Key")
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "apikey") {
		key = rest
	}
	sum := sha256.Sum256([]byte(key))
	if !k.set || subtle.ConstantTimeCompare(sum[:], k.sum[:]) != 1 {
		return nil, errUnauthorized
	}
	return Backend, nil
}
