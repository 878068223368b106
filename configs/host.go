package configs

import "regexp"

// Hosts lists names by which clients ask the server. These forms are accepted, in
// lower case and without a port:
//
//	example.com    exactly this name
//	*.example.com  any subdomain at any depth, not example.com itself
//	*              any name
//
// Its text is items separated by commas.
type Hosts []string

// UnmarshalText reads items separated by commas, with or without spaces.
func (h *Hosts) UnmarshalText(text []byte) error {
	*h = items(string(text))
	return nil
}

// AnsweredHosts are the names that the server answers to beside localhost and
// addresses; nil: any. Without hosts that is any name once origins or a key are
// configured, because then somebody has thought of who may come in. Where nothing of
// this is, as on the machine of somebody who tries Belfry, it is none: a page that
// points a name of its own at that machine would be let in (DNS rebinding).
func (c Config) AnsweredHosts() []string {
	if len(c.Hosts) == 0 && (len(c.Origins) > 0 || c.API.Key != "" || len(c.API.Keys) > 0) {
		return nil
	}
	return append([]string{}, c.Hosts...)
}

func (k *checker) hosts(hosts Hosts) {
	if !k.items("hosts", len(hosts)) {
		return
	}
	for i, host := range hosts {
		if len(host) > 255 || !hostForm.MatchString(host) {
			k.fault(index("hosts", i), "%.300q: want example.com, *.example.com or *, as a browser asks for it: "+
				"lower case, no scheme, no port; to localhost and addresses the server answers anyway", host)
		}
	}
}

// hostForm is a name, also behind "*.", or a star.
var hostForm = regexp.MustCompile(`^(?:(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\*)$`)
