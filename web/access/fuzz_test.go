package access_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"belfry/web/access"
)

// FuzzOrigins lets nobody in but pages of the host that is asked, of this machine to
// this machine, and of the list, however origin and host are written.
func FuzzOrigins(f *testing.F) {
	for _, seed := range [][3]string{
		{"http://hub.example", "hub.example", "cross-site"}, {"http://evil.example", "hub.example:80", ""}, {"null", "x", "same-origin"},
		{"http://good.example", "hub.example", "same-site"}, {"https://a.b.good.example:444", "[::1]:80", "none"}, {"HTTP://[::1]", "localhost", ""},
		{"http://good.example@evil.example", "hub.example", ""}, {"hub.example", "HUB.EXAMPLE", ""}, {"http://a.localhost.", "a.localhost", ""},
		{"", "hub.example", "cross-site"}, {"//hub.example", "hub.example", "cross-site"}, {"http://good.example\\@hub.example", "hub.example", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	origins := access.NewOrigins([]string{"http://good.example", "*.good.example"})
	f.Fuzz(func(t *testing.T, origin, host, site string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		r.Header["Origin"], r.Header["Sec-Fetch-Site"] = []string{origin}, []string{site}
		err := origins.Check(r)
		switch {
		case origin == "" && (err == nil) == (site == "cross-site" || site == "same-site"):
			t.Errorf("without an origin, Sec-Fetch-Site %q: %v", site, err)
		case origin != "" && err == nil && !mayBeLetIn(strings.ToLower(origin), strings.ToLower(host)):
			t.Errorf("%q may ask %q", origin, host)
		}
	})
}

// serialized is an origin as a browser writes it. No page can send another.
var serialized = regexp.MustCompile(`^([a-z]+)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?$`)

// mayBeLetIn says once more who is let in.
func mayBeLetIn(origin, host string) bool {
	part := serialized.FindStringSubmatch(origin)
	if part == nil {
		return true
	}
	name := part[2]
	local := name == "localhost" || strings.HasSuffix(name, ".localhost") || strings.HasPrefix(name, "127.") || strings.HasPrefix(name, "[")
	listed := strings.TrimSuffix(origin, ":80") == "http://good.example" || strings.HasSuffix(name, ".good.example")
	usual := map[string]string{"http": ":80", "https": ":443"}[part[1]]
	same := name+part[3] == host || name+part[3] == host+usual || name+part[3]+usual == host
	return same || local || listed
}

// FuzzHosts answers to no name but those of the list, of this machine, and addresses.
func FuzzHosts(f *testing.F) {
	for _, seed := range []string{"hub.example", "evil.example:80", "[::1]:80", "localhost.", "a.localhost", "1.2.3.4", "x@localhost", "]", "[", "::1", "%6cocalhost"} {
		f.Add(seed)
	}
	hosts := access.Hosts{"hub.example", "*.town.example"}
	f.Fuzz(func(t *testing.T, host string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		if hosts.Check(r) != nil {
			return
		}
		name, _, _ := strings.Cut(strings.ToLower(host), ":")
		name = strings.TrimSuffix(name, ".")
		switch {
		case name == "", strings.HasPrefix(name, "["), name == "hub.example", strings.HasSuffix(name, ".town.example"),
			name == "localhost", strings.HasSuffix(name, ".localhost"), strings.Trim(name, "0123456789.") == "":
		case strings.Count(host, ":") > 1 && strings.Trim(strings.ToLower(host), "0123456789abcdef:.") == "":
			// An address without its brackets, which no browser sends, is one all the same.
		default:
			t.Errorf("it answers to %q", host)
		}
	})
}
