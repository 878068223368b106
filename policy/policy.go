package policy

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
)

// firstFreePort is the first port that any user may bind. A player lets a policy
// served from here up open no port below.
const firstFreePort = 1024

// Grant lets movies from one domain connect to some ports.
type Grant struct {
	// Domain is the host a movie was loaded from: "*" for any, "*.example.com",
	// an exact host name, or an IP address, which only matches movies loaded by
	// that address. Without scheme, port or path; an international name in its
	// xn-- form. Upper case is folded.
	Domain string

	// Ports is "*" for all, or a list like "80,516-523": numbers and inclusive
	// ranges from 1 to 65535, separated by commas. Spaces around items are
	// dropped.
	Ports string
}

// Policy is a checked list of grants and the replies built from it. It does not
// change and is safe for use by several goroutines.
type Policy struct {
	grants []grant
	socket []byte // ends with the NUL
	http   []byte
}

// grant is a checked Grant, written the way it is sent.
type grant struct {
	domain string
	ports  string
	lowest int // smallest port granted
}

// New checks grants and builds the replies. Grants that say the same are sent
// once. With no grants the policy is valid and lets nobody in.
//
// The error joins every fault of every grant; each names the grant, counted from
// 1, what is wrong with it and what is accepted.
func New(grants []Grant) (*Policy, error) {
	p := &Policy{}
	var faults []error
	seen := make(map[grant]bool)
	for i, g := range grants {
		checked, found := check(g)
		for _, fault := range found {
			faults = append(faults, fmt.Errorf("policy: grant %d: %w", i+1, fault))
		}
		if len(found) == 0 && !seen[checked] {
			seen[checked] = true
			p.grants = append(p.grants, checked)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	p.socket = append(renderSocket(p.grants), 0)
	p.http = renderHTTP(p.grants)
	return p, nil
}

func check(g Grant) (grant, []error) {
	var faults []error
	domain, err := parseDomain(g.Domain)
	if err != nil {
		faults = append(faults, err)
	}
	ports, lowest, portFaults := parsePorts(g.Ports)
	return grant{domain, ports, lowest}, append(faults, portFaults...)
}

// Socket returns the reply to a policy request: the XML and one NUL byte. The
// slice is the caller's.
func (p *Policy) Socket() []byte { return bytes.Clone(p.socket) }

// CrossDomain returns the HTTP sibling of the policy, the body of
// /crossdomain.xml: the same domains without ports, which an HTTP policy does not
// have, and without a NUL. The slice is the caller's.
func (p *Policy) CrossDomain() []byte { return bytes.Clone(p.http) }

// Warnings says, one line each, which grants do not have their full effect when
// the policy is served from port: from 1024 up a policy cannot open ports below
// 1024. What counts is the port the player dials, so behind a redirect from 843
// pass 843. There are none for a port below 1024.
func (p *Policy) Warnings(port int) []string {
	if port < firstFreePort {
		return nil
	}
	var warnings []string
	for _, g := range p.grants {
		if g.lowest < firstFreePort {
			warnings = append(warnings, fmt.Sprintf(
				"policy served from port %d cannot open ports below %d: the grant of ports %q to %q "+
					"counts for the ports above only, unless players reach it on a port below, "+
					"as by a redirect from 843", port, firstFreePort, g.ports, g.domain))
		}
	}
	return warnings
}

const (
	// Nothing may stand before the declaration, not even white space.
	documentStart = `<?xml version="1.0"?>` + "\n<cross-domain-policy>\n"
	documentEnd   = "</cross-domain-policy>\n"
)

func renderSocket(grants []grant) []byte {
	var b bytes.Buffer
	b.WriteString(documentStart)
	for _, g := range grants {
		writeAccess(&b, "domain", g.domain, "to-ports", g.ports)
	}
	b.WriteString(documentEnd)
	return b.Bytes()
}

func renderHTTP(grants []grant) []byte {
	var b bytes.Buffer
	b.WriteString(documentStart)
	sent := make(map[string]bool)
	for _, g := range grants {
		if !sent[g.domain] {
			sent[g.domain] = true
			writeAccess(&b, "domain", g.domain)
		}
	}
	b.WriteString(documentEnd)
	return b.Bytes()
}

// writeAccess writes one element; attributes are names and values in turn. It
// escapes although checked grants hold nothing to escape: that the document is
// well-formed must not hang on the rules for host names.
func writeAccess(b *bytes.Buffer, attributes ...string) {
	b.WriteString("  <allow-access-from")
	for pair := range slices.Chunk(attributes, 2) {
		b.WriteString(" " + pair[0] + `="`)
		xml.EscapeText(b, []byte(pair[1])) // a bytes.Buffer takes every write
		b.WriteByte('"')
	}
	b.WriteString("/>\n")
}
