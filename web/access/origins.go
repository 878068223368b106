package access

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"belfry/web/fault"
)

var errOrigin = fault.New(fault.Foreign, "origin not allowed: add it to origins in the configuration (BELFRY_ORIGINS); null, which pages from files send, passes with \"*\" alone")

// Origins is the list of origins whose pages may open sessions, beside the page's
// own host and this machine's.
type Origins []originPattern

// originPattern is one entry of the list. An empty part matches anything.
type originPattern struct {
	scheme string
	host   string // host with port, or the part behind the star
	star   bool   // any subdomain of host, not host itself
	any    bool
}

// NewOrigins reads entries of the forms `https://example.com`, `example.com`,
// `*.example.com`, `https://*.example.com` and `*`. Case does not matter.
func NewOrigins(list []string) Origins {
	o := make(Origins, 0, len(list))
	for _, entry := range list {
		var p originPattern
		entry = strings.ToLower(entry)
		if scheme, host, ok := strings.Cut(entry, "://"); ok {
			p.scheme, entry = scheme, host
		}
		p.any = entry == "*"
		p.host, p.star = strings.CutPrefix(entry, "*.")
		o = append(o, p)
	}
	return o
}

func (p originPattern) matches(u *url.URL) bool {
	if p.scheme != "" && p.scheme != u.Scheme {
		return false
	}
	if p.star {
		return strings.HasSuffix(u.Host, "."+p.host) || strings.HasSuffix(u.Hostname(), "."+p.host)
	}
	return p.any || p.host == u.Host
}

// Check refuses a request of a page that may not open sessions here: it has to be one
// of this host, of localhost, or of the list. A scheme's usual port counts as none, in
// Origin and in Host. A request without Origin does not come from a script of another
// page, and passes unless the browser says that another page is behind it, as it does
// for an image or a link (Fetch Metadata, section 2.3): such a page may be anybody's.
// The error names the origin and the host for the log.
func (o Origins) Check(r *http.Request) error {
	named := originsOf(r)
	for _, origin := range named {
		if !o.allow(r.Host, origin) {
			return fmt.Errorf("asked with Origin %.100q, Host %.100q: %w", origin, r.Host, errOrigin)
		}
	}
	site := r.Header.Get("Sec-Fetch-Site")
	if len(named) == 0 && (site == "cross-site" || site == "same-site") && !o.every() {
		return fmt.Errorf("asked with no Origin, Sec-Fetch-Site %s, Host %.100q: %w", site, r.Host, errOrigin)
	}
	return nil
}

// Admit checks a request over plain HTTP, and lets a page read the response that
// may: what is refused later, too, and what it asks for with cookies. There are none of
// ours, but a proxy in front may want its own, and a WebSocket brings them. The answer
// never names all origins at once.
func (o Origins) Admit(w http.ResponseWriter, r *http.Request) error {
	if err := o.Check(r); err != nil {
		return err
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Vary", "Origin")
	}
	return nil
}

// allowedHeaders are those that scripts of other pages may set. The last two name a
// session over HTTP, and show a token.
const allowedHeaders = "Content-Type, Accept, Last-Event-ID, Belfry-Session, Authorization"

// preflightAge is how long a browser may remember what it was told, in seconds.
const preflightAge = 300

// AdmitMethods is Admit for an endpoint that answers some methods, and OPTIONS: it
// tells a browser that asks whether a page may make a request. That is the whole
// answer then.
func (o Origins) AdmitMethods(w http.ResponseWriter, r *http.Request, methods ...string) error {
	if err := o.Admit(w, r); err != nil || slices.Contains(methods, r.Method) {
		return err
	}
	right := strings.Join(append(methods, http.MethodOptions), ", ")
	if r.Method != http.MethodOptions {
		return fault.Newf(fault.WrongMethod, "%.20s is not answered at %.200s; %s are", r.Method, r.URL.Path, right).With("Allow", right)
	}
	h := w.Header()
	h.Set("Allow", strings.Replace(right, http.MethodGet, http.MethodGet+", "+http.MethodHead, 1))
	h.Set("Access-Control-Allow-Methods", right)
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", allowedHeaders)
	}
	h.Set("Access-Control-Max-Age", strconv.Itoa(preflightAge))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// originsOf are the origins that a request names, none as a rule or one.
// Versions 7 and 8 of WebSocket have a header of their own for it.
func originsOf(r *http.Request) (named []string) {
	for _, name := range []string{"Origin", "Sec-Websocket-Origin"} {
		for _, origin := range r.Header[name] {
			if origin != "" {
				named = append(named, origin)
			}
		}
	}
	return named
}

// allow compares one origin with the host that was asked, and with the list.
func (o Origins) allow(host, origin string) bool {
	switch {
	case o.every():
		return true // files and sandboxes, which have no host, among them
	case strings.EqualFold(origin, host):
		return true // old clients in Node leave the scheme out; no browser does
	}
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil || u.Host == "" {
		return false
	}
	u.Host = withoutPort(u.Host, u.Scheme)
	return u.Host == withoutPort(strings.ToLower(host), u.Scheme) || isLocal(u.Hostname()) && isLocal(hostname(host)) || o.match(u)
}

// withoutPort is a host without the port that its scheme has anyway.
func withoutPort(host, scheme string) string {
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// every reports whether all pages are in the list.
func (o Origins) every() bool {
	return slices.ContainsFunc(o, func(p originPattern) bool { return p.any && p.scheme == "" })
}

func (o Origins) match(u *url.URL) bool {
	for _, p := range o {
		if p.matches(u) {
			return true
		}
	}
	return false
}

// isLocal reports whether a host name means this machine.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// hostname is the host of a Host header without its port.
func hostname(host string) string {
	return (&url.URL{Host: host}).Hostname()
}
