package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"belfry/web/fault"
)

// Hosts are the names that the server answers to, in lower case, beside localhost and
// addresses. A pattern "*.example.com" is for any subdomain, "*" for any name at all.
// Nil: any.
//
// A page that points a name of its own at this machine asks by that name, and its
// origin is then the host itself (DNS rebinding). Only who knows its names can tell
// such a page from others.
type Hosts []string

// Check refuses a request for a name that the server does not answer to. Addresses
// pass, and so do localhost and what ends with it (RFC 6761, section 6.3): no page can
// make one its own. Case does not matter.
func (h Hosts) Check(r *http.Request) error {
	if h == nil {
		return nil
	}
	name := strings.TrimSuffix(strings.ToLower(hostname(r.Host)), ".")
	if name == "" || name == "localhost" || strings.HasSuffix(name, ".localhost") || net.ParseIP(name) != nil {
		return nil
	}
	for _, host := range h {
		if base, star := strings.CutPrefix(host, "*"); host == name || star && strings.HasSuffix(name, base) {
			return nil
		}
	}
	return fault.Newf(fault.Misdirected, "this server does not answer to the name %.100q: add it to hosts in the configuration (BELFRY_HOSTS)", name)
}

// Before answers requests for other names, and leaves the rest to a handler.
func (h Hosts) Before(handler http.Handler) fault.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := h.Check(r); err != nil {
			return err
		}
		handler.ServeHTTP(w, r)
		return nil
	}
}

var errUnauthorized = fault.New(fault.Unauthorized, "a valid API key is needed: send the header X-API-Key: KEY or Authorization: apikey KEY")

// Key is the key of the HTTP API. It is safe for several goroutines.
type Key struct {
	sum   [sha256.Size]byte
	set   bool
	wrong *wrongKeys
}

// NewKey returns the key with a text; an empty one refuses everybody. Advance has to
// be called once a second.
func NewKey(text string, logger *slog.Logger) *Key {
	return &Key{sha256.Sum256([]byte(text)), text != "", newWrongKeys(logger)}
}

// Check returns who makes a request of the HTTP API: [Backend], or an error for
// one that does not show the key. Who shows wrong ones is told to wait, longer each
// time; the right one is taken at once all the same, because others may share the
// address. It compares in constant time, also keys of another length. A key in the
// URL, which Centrifugo takes too, is not looked at: URLs are written to logs.
func (k *Key) Check(r *http.Request) (*Identity, error) {
	key := r.Header.Get("X-API-Key")
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "apikey") {
		key = rest
	}
	sum := sha256.Sum256([]byte(key))
	switch {
	case k.set && subtle.ConstantTimeCompare(sum[:], k.sum[:]) == 1:
		return Backend, nil
	case key == "":
		return nil, errUnauthorized // nobody tries one
	}
	return nil, k.wrong.note(r.RemoteAddr)
}

// Advance logs the wrong keys that were shown: one line, at most every ten seconds.
func (k *Key) Advance() { k.wrong.advance() }
