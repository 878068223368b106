package configs

import (
	"net"
	"regexp"
	"strconv"
	"strings"
)

// Origins lists pages by their origins. These forms are accepted, in lower
// case, without a path and without a port that is the scheme's own:
//
//	https://example.com         exactly this origin
//	http://localhost:3000       the same, with a port
//	https://*.example.com       any subdomain at any depth and any port, not example.com itself
//	https://*.example.com:8443  the same, on this port
//	*.example.com               any subdomain, by any scheme, on any port
//	*                           every page there is
//
// Its text is items separated by commas.
type Origins []string

// UnmarshalText reads items separated by commas, with or without spaces.
func (o *Origins) UnmarshalText(text []byte) error {
	*o = items(string(text))
	return nil
}

func (k *checker) origins(origins Origins) {
	if !k.items("origins", len(origins)) {
		return
	}
	for i, origin := range origins {
		if !isOrigin(origin) {
			k.fault(index("origins", i), "%.300q: want https://example.com, https://*.example.com, *.example.com or *, "+
				"as a browser writes it: lower case, no path, no port if it is the usual one", origin)
		}
	}
}

// originForm has the parts scheme, host and port. A host is a name, an IPv4
// address, an IPv6 address in brackets, or a name behind "*.".
var originForm = regexp.MustCompile(`^([a-z][a-z0-9+.-]{0,31})://((?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?$`)

// subdomains is the form of a wildcard without a scheme.
var subdomains = regexp.MustCompile(`^\*(?:\.[a-z0-9_-]+)+$`)

var usualPort = map[string]string{"http": "80", "https": "443"}

func isOrigin(text string) bool {
	if text == "*" || len(text) <= 255 && subdomains.MatchString(text) {
		return true
	}
	parts := originForm.FindStringSubmatch(text)
	if len(text) > 300 || parts == nil {
		return false
	}
	scheme, host, port := parts[1], parts[2], parts[3]
	if strings.HasPrefix(host, "[") && net.ParseIP(strings.Trim(host, "[]")) == nil {
		return false
	}
	_, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && port != usualPort[scheme]
}
