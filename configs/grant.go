package configs

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// Grant lets the Flash files of a domain open sockets to some ports.
type Grant struct {
	// Domain is a host's name or IP address, *.example.com for the names
	// below a domain, or * for everybody.
	Domain string `json:"domain"`
	// Ports are numbers and ranges separated by commas, or * for all.
	Ports Ports `json:"ports"`
}

// Ports is a list of ports as a policy file has it: "80", "843,40000-40200" or
// "*".
type Ports string

// UnmarshalText takes any text, so that one port need not be quoted in YAML.
func (p *Ports) UnmarshalText(text []byte) error {
	*p = Ports(text)
	return nil
}

// Grants lists who may connect. Its text is items domain:ports separated by
// commas; an item without a colon is one more port of the item before. An IPv6
// address has no place in it.
type Grants []Grant

// UnmarshalText reads what an environment variable has.
func (g *Grants) UnmarshalText(text []byte) error {
	all := Grants{}
	for _, item := range items(string(text)) {
		domain, ports, ok := strings.Cut(item, ":")
		switch {
		case ok:
			all = append(all, Grant{domain, Ports(ports)})
		case len(all) > 0:
			all[len(all)-1].Ports += Ports("," + item)
		default:
			return fmt.Errorf("want domain:ports, such as example.com:40132 or *.example.com:843,40000-40200")
		}
	}
	*g = all
	return nil
}

// domainForm matches a host's name, a wildcard and a name, or *.
var domainForm = regexp.MustCompile(`^(?:\*|(?:\*\.)?[a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)*)$`)

func (k *checker) grants(grants Grants) {
	if !k.items("policy.allow", len(grants)) {
		return
	}
	for i, g := range grants {
		key := index("policy.allow", i)
		if !isDomain(g.Domain) {
			k.fault(key+".domain", "%.300q: want a host such as example.com, *.example.com or *", g.Domain)
		}
		if !isPorts(string(g.Ports)) {
			k.fault(key+".ports", `%.300q: want numbers from 1 to 65535 and ranges separated by commas, such as "843,40000-40200", or "*"`, string(g.Ports))
		}
	}
}

func isDomain(text string) bool {
	return len(text) <= 253 && domainForm.MatchString(text) || net.ParseIP(text) != nil
}

func isPorts(text string) bool {
	if text == "*" {
		return true
	}
	if len(text) > 1024 {
		return false
	}
	for item := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(item, "-")
		if !isRange {
			high = low
		}
		first, err := strconv.ParseUint(low, 10, 16)
		last, bad := strconv.ParseUint(high, 10, 16)
		if err != nil || bad != nil || first == 0 || last < first {
			return false
		}
	}
	return true
}
