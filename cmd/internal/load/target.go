package load

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
)

// newDialer finds out where a URL's host is. It refuses other machines unless
// they are allowed: load is not to be sent to a stranger by mistake.
func newDialer(ctx context.Context, u *url.URL, allowRemote bool) (*dialer, error) {
	addr, err := resolve(ctx, u.Hostname())
	if err != nil {
		return nil, err
	}
	if !addr.IsLoopback() && !allowRemote {
		return nil, fmt.Errorf("%s is on another machine: with --allow-remote it may be", u.Host)
	}
	d := &dialer{loopback: addr.Is4() && addr.IsLoopback()}
	port := "80"
	if u.Scheme == "wss" || u.Scheme == "https" {
		d.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
		port = "443"
	}
	d.address = net.JoinHostPort(addr.String(), cmp.Or(u.Port(), port))
	return d, nil
}

// resolve returns an address of a host, one of IPv4 if there is one.
func resolve(ctx context.Context, host string) (addr netip.Addr, err error) {
	for _, network := range []string{"ip4", "ip6"} {
		var all []netip.Addr
		if all, err = net.DefaultResolver.LookupNetIP(ctx, network, host); err == nil && len(all) > 0 {
			return all[0].Unmap(), nil
		}
	}
	return addr, err
}
