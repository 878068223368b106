package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const (
	maxHostBytes  = 253 // RFC 1035 section 2.3.4, as text
	maxLabelBytes = 63

	acceptedDomains = `accepted: "*", "*.example.com", a host name or an IP address, ` +
		`without scheme, port or path, an international name in its xn-- form`
	acceptedPorts = `accepted: "*" alone, or numbers and ranges from 1 to 65535 separated by commas, as in "80,516-523"`
)

// parseDomain returns s as it is sent: in lower case, an IP address in its
// shortest form.
func parseDomain(s string) (string, error) {
	if s == "*" {
		return s, nil
	}
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		return ip.String(), nil
	}
	host := strings.ToLower(s)
	if reason := hostFault(strings.TrimPrefix(host, "*.")); reason != "" {
		return "", fmt.Errorf("domain %q %s; %s", s, reason, acceptedDomains)
	}
	return host, nil
}

// hostFault says what keeps host from being a host name, or "".
func hostFault(host string) string {
	if host == "" {
		return "has no host name"
	}
	if len(host) > maxHostBytes {
		return fmt.Sprintf("is longer than %d bytes", maxHostBytes)
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if reason := labelFault(label); reason != "" {
			return reason
		}
	}
	// A name that ends in a number is an address to everybody who reads it.
	if isDigits(labels[len(labels)-1]) {
		return "looks like an IP address and is none"
	}
	return ""
}

func labelFault(label string) string {
	switch {
	case label == "":
		return "has an empty part between its dots"
	case len(label) > maxLabelBytes:
		return fmt.Sprintf("has a part of more than %d bytes", maxLabelBytes)
	case label[0] == '-' || label[len(label)-1] == '-':
		return "has a part that begins or ends with a hyphen"
	}
	for _, r := range label {
		if !isHostRune(r) {
			return fmt.Sprintf("holds %q", r)
		}
	}
	return ""
}

// isHostRune includes the underscore: no host name on the public net has one, many
// inside a firm do.
func isHostRune(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

func isDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// parsePorts returns s as it is sent, without spaces or leading zeros, and the
// smallest port in it.
func parsePorts(s string) (list string, lowest int, faults []error) {
	if strings.TrimSpace(s) == "*" {
		return "*", 1, nil
	}
	var items []string
	for item := range strings.SplitSeq(s, ",") {
		from, to, reason := parseRange(strings.TrimSpace(item))
		if reason != "" {
			faults = append(faults, fmt.Errorf("ports %q: %s; %s", s, reason, acceptedPorts))
			continue
		}
		items = append(items, rangeText(from, to))
		if lowest == 0 || from < lowest {
			lowest = from
		}
	}
	return strings.Join(items, ","), lowest, faults
}

// parseRange reads "80" or "516-523". The reason is "" when all is well.
func parseRange(item string) (from, to int, reason string) {
	first, last, isRange := strings.Cut(item, "-")
	if !isRange {
		last = first
	}
	from, to = parsePort(first), parsePort(last)
	switch {
	case item == "":
		return 0, 0, "a port is missing"
	case from == 0 || to == 0:
		return 0, 0, fmt.Sprintf("%q is not a port or a range", item)
	case from > to:
		return 0, 0, fmt.Sprintf("the range %q runs backwards", item)
	}
	return from, to, ""
}

func rangeText(from, to int) string {
	if from == to {
		return strconv.Itoa(from)
	}
	return fmt.Sprintf("%d-%d", from, to)
}

// parsePort returns 0 for anything that is not a port.
func parsePort(s string) int {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}
