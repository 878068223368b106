package access

import "net/netip"

// Address is whom a client's connection is counted for: its address, and of IPv6 the
// first 64 bits, which one customer has. A client without one, as over a Unix socket,
// has the zero Addr.
func (h Hello) Address() netip.Addr {
	at, err := netip.ParseAddrPort(h.Remote)
	if err != nil {
		return netip.Addr{}
	}
	a := at.Addr().Unmap().WithZone("")
	if a.Is4() || a.IsLoopback() {
		return a
	}
	p, _ := a.Prefix(64) // IPv6 has as many
	return p.Addr()
}

// MayBeProxy reports whether everybody may come from an address: it is of this
// machine or of a private network, where proxies are, and no stranger.
func MayBeProxy(a netip.Addr) bool {
	return !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
}
