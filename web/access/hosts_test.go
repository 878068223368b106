package access_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"belfry/web/access"
	"belfry/web/fault"
)

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		hosts string
		host  string // as the request names it
		ok    bool
	}{
		// What no page can make its own.
		{"", "localhost", true},
		{"", "LOCALHOST:40132", true},
		{"", "localhost.", true},
		{"", "app.localhost:1", true},
		{"", "127.0.0.1:40132", true},
		{"", "192.0.2.7", true},
		{"", "[::1]:40132", true},
		{"", "[2001:db8::1]", true},
		{"", "", true}, // of HTTP/1.0
		{"hub.example", "localhost", true},
		{"hub.example", "10.0.0.1:1", true},

		// What one can.
		{"", "evil.example", false},
		{"", "evil.example:40132", false},
		{"", "localhost.evil.example", false},
		{"", "evil-localhost", false},
		{"", "127.0.0.1.evil.example", false},
		{"", "evil.example.", false},
		{"", "1", false},
		{"", "localhost@evil.example", false},
		{"", "evil.example:localhost", false},
		{"", "[localhost]evil", false},

		// The list.
		{"hub.example", "hub.example", true},
		{"hub.example", "HUB.Example:443", true},
		{"hub.example", "hub.example.", true},
		{"hub.example", "a.hub.example", false},
		{"hub.example", "evilhub.example", false},
		{"*.hub.example", "a.hub.example:1", true},
		{"*.hub.example", "b.a.hub.example", true},
		{"*.hub.example", "hub.example", false},
		{"*.hub.example", "evilhub.example", false},
		{"belfry hub.example", "belfry:40132", true},
		{"*", "evil.example", true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = c.host
		err := access.Hosts(strings.Fields(c.hosts)).Check(r)
		if (err == nil) != c.ok {
			t.Errorf("hosts %q: %q is asked for: %v", c.hosts, c.host, err)
		}
		if err != nil && (fault.From(err).Kind != fault.Misdirected || !strings.Contains(err.Error(), "BELFRY_HOSTS")) {
			t.Errorf("%v is of kind %d, or does not name the key", err, fault.From(err).Kind)
		}
		if access.Hosts(nil).Check(r) != nil {
			t.Errorf("%q is refused without a list", c.host)
		}
	}
}

func TestHostsOfALongName(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = strings.Repeat("x", 60<<10)
	if err := (access.Hosts{}).Check(r); err == nil || len(err.Error()) > 300 {
		t.Errorf("got an error of %d bytes, want a short one", len(err.Error()))
	}
}
