package access_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"belfry/web/access"
	"belfry/web/fault"
)

// ask is a request to example.org of a page.
func ask(method, origin string) *http.Request {
	r := httptest.NewRequest(method, "http://example.org/events", nil)
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	return r
}

func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		list   string // of the configuration
		host   string
		origin string
		ok     bool
	}{
		// One's own pages, and those who are no page.
		{"", "example.org", "", true},
		{"", "example.org", "http://example.org", true},
		{"", "example.org", "https://EXAMPLE.org", true},
		{"", "example.org:8080", "http://example.org:8080", true},
		{"", "example.org:8080", "http://example.org", false},
		{"", "example.org", "example.org", true},
		{"", "example.org", "https://evil.example", false},
		{"", "example.org", "https://example.org.evil.example", false},
		{"", "example.org", "null", false},
		{"", "example.org", "://", false},

		// The port that a scheme has anyway.
		{"", "example.org:443", "https://example.org", true},
		{"", "example.org:80", "http://example.org", true},
		{"", "example.org", "https://example.org:443", true},
		{"", "example.org", "http://example.org:80", true},
		{"", "EXAMPLE.org:443", "https://example.ORG:443", true},
		{"", "[2001:db8::1]:443", "https://[2001:db8::1]", true},
		{"", "example.org:80", "https://example.org", false},
		{"", "example.org:443", "http://example.org", false},
		{"", "example.org:443", "https://example.org:8443", false},
		{"", "example.org:8443", "https://example.org", false},
		{"", "example.org", "https://example.org:80", false},
		{"", "[2001:db8::443]", "https://[2001:db8:]", false},
		{"https://a.example", "example.org", "https://a.example:443", true},
		{"https://a.example", "example.org", "https://a.example:80", false},
		{"*.a.example", "example.org", "http://b.a.example:80", true},
		{"https://*.a.example:8443", "example.org", "https://b.a.example:443", false},

		// This machine has several names.
		{"", "localhost:40132", "http://127.0.0.1:3000", true},
		{"", "127.0.0.1:40132", "http://localhost", true},
		{"", "[::1]:40132", "http://app.localhost", true},
		{"", "example.org", "http://localhost", false},
		{"", "localhost", "http://localhost.evil.example", false},

		// The list.
		{"https://a.example", "example.org", "https://a.example", true},
		{"https://A.example", "example.org", "https://a.EXAMPLE", true},
		{"https://a.example", "example.org", "http://a.example", false},
		{"https://a.example", "example.org", "https://a.example:444", false},
		{"a.example", "example.org", "http://a.example", true},
		{"*.a.example", "example.org", "https://b.a.example", true},
		{"*.a.example", "example.org", "https://c.b.a.example:444", true},
		{"*.a.example", "example.org", "https://a.example", false},
		{"*.a.example", "example.org", "https://ba.example", false},
		{"https://*.a.example", "example.org", "http://b.a.example", false},
		{"https://*", "example.org", "https://evil.example", true},
		{"https://*", "example.org", "null", false},
		{"*", "example.org", "https://evil.example", true},
		{"*", "example.org", "null", true},
		{"x.example a.example", "example.org", "https://a.example", true},
	} {
		r := ask(http.MethodGet, c.origin)
		r.Host = c.host
		err := access.NewOrigins(strings.Fields(c.list)).Check(r)
		if (err == nil) != c.ok {
			t.Errorf("list %q: %q asks %q: %v", c.list, c.origin, c.host, err)
		}
		if err != nil && fault.From(err).Kind != fault.Foreign {
			t.Errorf("%v is of kind %d", err, fault.From(err).Kind)
		}
	}
}

// TestOriginsOfTwoHeaders wants every origin that a request names to be allowed.
func TestOriginsOfTwoHeaders(t *testing.T) {
	r := ask(http.MethodGet, "http://example.org")
	r.Header["Sec-Websocket-Origin"] = []string{"https://evil.example"}
	if access.NewOrigins(nil).Check(r) == nil {
		t.Error("a second origin is not looked at")
	}
}

// TestOriginsInLogsOnly wants the origin that was refused to be in the log, and not
// in the answer.
func TestOriginsInLogsOnly(t *testing.T) {
	err := access.NewOrigins(nil).Check(ask(http.MethodGet, "https://evil.example"))
	if want := `Origin "https://evil.example", Host "example.org": `; err == nil || !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), "BELFRY_ORIGINS") || strings.Contains(fault.From(err).Message, "evil.example") {
		t.Errorf("the log has %v, the client %q", err, fault.From(err).Message)
	}
}

func TestAdmitMethods(t *testing.T) {
	o := access.NewOrigins([]string{"https://a.example"})
	for name, c := range map[string]struct {
		method, origin string
		status         int // of the answer; 0: none is given yet
		kind           fault.Kind
		wantOrigin     string
	}{
		"a page that may":            {http.MethodPost, "https://a.example", 0, 0, "https://a.example"},
		"no page":                    {http.MethodPost, "", 0, 0, ""},
		"another page":               {http.MethodPost, "https://evil.example", 0, fault.Foreign, ""},
		"another method":             {http.MethodPut, "https://a.example", 0, fault.WrongMethod, "https://a.example"},
		"a question before":          {http.MethodOptions, "https://a.example", http.StatusNoContent, 0, "https://a.example"},
		"a question of another page": {http.MethodOptions, "https://evil.example", 0, fault.Foreign, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), ask(c.method, c.origin)
			w.Code = 0
			err := o.AdmitMethods(w, r, http.MethodPost)
			if (err != nil) != (c.kind != 0) || err != nil && fault.From(err).Kind != c.kind || w.Code != c.status {
				t.Errorf("got %v and status %d", err, w.Code)
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != c.wantOrigin {
				t.Errorf("the page %q may read it, want %q", got, c.wantOrigin)
			}
			if allow := w.Header().Get("Access-Control-Allow-Methods"); c.status != 0 && allow != "POST, OPTIONS" {
				t.Errorf("methods %q", allow)
			}
		})
	}
}
