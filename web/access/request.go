package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

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

var (
	errUnauthorized = fault.New(fault.Unauthorized, "a valid API key is needed: send the header X-API-Key: KEY or Authorization: apikey KEY")
	errKeyOver      = fault.New(fault.Unauthorized, "this API key has expired: get another, or change its expires (api.keys)")
)

// APIKey is a key of the HTTP API, and what it lets a backend do.
type APIKey struct {
	// Name is for people.
	Name string
	// Sum is the SHA-256 of the key, which is random: nobody can guess it from that.
	Sum [sha256.Size]byte
	// Calls are those that may be made. Nil: all, or those that are about channels
	// where Channels says which.
	Calls []string
	// Channels are patterns of the only channels that may be used. Nil: all.
	Channels []string
	// Expires is when the key is good no longer; zero: it does not end.
	Expires time.Time
}

// WholeKey is one that may do everything.
func WholeKey(name, text string) APIKey { return APIKey{Name: name, Sum: sha256.Sum256([]byte(text))} }

// Keys are those of the HTTP API. They are safe for several goroutines.
type Keys struct {
	all   []knownKey
	wrong *wrongKeys
}

// knownKey is a key, and who shows it.
type knownKey struct {
	APIKey
	who *Identity
}

// NewKeys returns the keys that are accepted; none refuse everybody. Advance has to be
// called once a second.
func NewKeys(logger *slog.Logger, keys ...APIKey) *Keys {
	k := &Keys{wrong: newWrongKeys(logger)}
	for _, key := range keys {
		who := &Identity{Backend: true, Calls: key.Calls, Within: key.Channels, Proof: Proof{Key: key.Name}}
		k.all = append(k.all, knownKey{key, who})
	}
	return k
}

// Check returns who makes a request of the HTTP API, or an error for one that does not
// show a key. Who shows wrong ones is told to wait, longer each time; a right one is
// taken at once all the same, because others may share the address. It compares in
// constant time, also keys of another length. A key in the URL, which Centrifugo takes
// too, is not looked at: URLs are written to logs.
func (k *Keys) Check(r *http.Request) (*Identity, error) {
	key := r.Header.Get("X-API-Key")
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "apikey") {
		key = rest
	}
	if key == "" {
		return nil, errUnauthorized // nobody tries one
	}
	sum := sha256.Sum256([]byte(key))
	var found *knownKey
	for i := range k.all {
		if subtle.ConstantTimeCompare(sum[:], k.all[i].Sum[:]) == 1 {
			found = &k.all[i]
		}
	}
	switch {
	case found == nil:
		return nil, k.wrong.note(r.RemoteAddr)
	case !found.Expires.IsZero() && !time.Now().Before(found.Expires):
		return nil, fmt.Errorf("the API key %s: %w", found.Name, errKeyOver)
	}
	return found.who, nil
}

// MayCall says why somebody may not make a call of the HTTP API. Who may use some
// channels only may make those that are about channels, unless it says which.
func (i *Identity) MayCall(name string, aboutChannel bool) error {
	may := i.Within == nil || aboutChannel
	if i.Calls != nil {
		may = slices.Contains(i.Calls, name)
	}
	if !may {
		return fault.Newf(fault.Denied, "the API key %s may not make the call %s: add it to the calls of the key (api.keys)", i.Proof.Key, name)
	}
	return nil
}

// Advance logs the wrong keys that were shown: one line, at most every ten seconds.
func (k *Keys) Advance() { k.wrong.advance() }
