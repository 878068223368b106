package main

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"

	"belfry/policy"
)

// policyFile makes the policy from the configuration. Without grants it lets in
// the hosts of the origins and this machine, to the HTTP port.
func (p *program) policyFile() (*policy.Policy, error) {
	var grants []policy.Grant
	for _, g := range p.config.Policy.Allow {
		grants = append(grants, policy.Grant{Domain: g.Domain, Ports: string(g.Ports)})
	}
	if grants == nil {
		grants = defaultGrants(p.config.Origins, p.port())
	}
	return policy.New(grants)
}

// defaultGrants lets in the hosts that may connect anyway, and only to the HTTP port.
// Everybody is let in only by name, and pages that are of no host, as those of
// app://-, have no place in a policy.
func defaultGrants(origins []string, port int) []policy.Grant {
	ports := strconv.Itoa(port)
	grants := []policy.Grant{{Domain: "localhost", Ports: ports}}
	for _, o := range origins {
		g := policy.Grant{Domain: originHost(o), Ports: ports}
		if _, err := policy.New([]policy.Grant{g}); err == nil && g.Domain != "*" {
			grants = append(grants, g)
		}
	}
	return grants
}

// originHost is the host of an entry of origins, without scheme and port.
func originHost(origin string) string {
	if _, host, ok := strings.Cut(origin, "://"); ok {
		origin = host
	}
	return (&url.URL{Host: origin}).Hostname()
}

// port is the port that clients dial.
func (p *program) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// listenFlash starts to listen for policy requests. Where that is not allowed,
// Belfry runs on without, and says so: many systems want a privilege for port 843, and
// few clients still ask there.
func (p *program) listenFlash(ctx context.Context, file *policy.Policy) *policy.Server {
	if p.config.Policy.Addr == "" {
		return nil
	}
	s, err := policy.Listen(ctx, policy.Options{Addr: p.config.Policy.Addr, Policy: file, Logger: p.logger})
	if err != nil {
		p.logger.Warn("no Flash policy server, everything else runs", "err", err)
		return nil
	}
	for _, warning := range file.Warnings(s.Addr().(*net.TCPAddr).Port) {
		p.logger.Warn(warning)
	}
	return s
}
