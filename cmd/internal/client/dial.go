package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	// dialWait bounds the opening of one connection, until [Conn.Ready]. It is long
	// because a server that shares the cores with thousands of clients may make some
	// of them wait for seconds.
	dialWait = 20 * time.Second
	// perSource is how many connections are opened from one loopback address,
	// which has about 28,000 ports to give on Linux, each for a minute longer
	// than it is used.
	perSource = 8000
)

// Dialer opens connections to one server. It may be used by several goroutines.
type Dialer struct {
	address  string // host:port, the host an IP address
	loopback bool
	tls      *tls.Config // nil: plain TCP
}

// NewDialer finds out where a URL's host is. It refuses other machines unless
// they are allowed: load is not to be sent to a stranger by mistake. The address
// is looked up once, so that a name server is no part of what is measured.
func NewDialer(ctx context.Context, u *url.URL, allowRemote bool) (*Dialer, error) {
	addr, err := resolve(ctx, u.Hostname())
	if err != nil {
		return nil, err
	}
	if !addr.IsLoopback() && !allowRemote {
		return nil, fmt.Errorf("%s is on another machine: with --allow-remote it may be", u.Host)
	}
	d := &Dialer{loopback: addr.Is4() && addr.IsLoopback()}
	port := "80"
	if u.Scheme == "wss" || u.Scheme == "https" {
		d.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
		port = "443"
	}
	d.address = net.JoinHostPort(addr.String(), cmp.Or(u.Port(), port))
	return d, nil
}

// resolve returns an address of a host, one of IPv4 if there is one: only those of
// IPv4 have a whole network of loopback addresses.
func resolve(ctx context.Context, host string) (addr netip.Addr, err error) {
	for _, network := range []string{"ip4", "ip6"} {
		var all []netip.Addr
		if all, err = net.DefaultResolver.LookupNetIP(ctx, network, host); err == nil && len(all) > 0 {
			return all[0].Unmap(), nil
		}
	}
	return addr, err
}

// ControlFunc sets up a socket before it connects; nil leaves it as it is.
type ControlFunc = func(network, address string, raw syscall.RawConn) error

// Dial opens the i-th connection. Those to a loopback address come from
// 127.0.0.1, 127.0.0.2 and so on, where the system has these addresses. The caller
// closes it.
func (d *Dialer) Dial(ctx context.Context, i int, control ControlFunc) (net.Conn, error) {
	nd := net.Dialer{Timeout: dialWait, Control: control}
	if d.loopback && i >= perSource {
		nd.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i/perSource))}
	}
	c, err := nd.DialContext(ctx, "tcp", d.address)
	if errors.Is(err, syscall.EADDRNOTAVAIL) && nd.LocalAddr != nil {
		nd.LocalAddr = nil // this system has only 127.0.0.1
		c, err = nd.DialContext(ctx, "tcp", d.address)
	}
	if err != nil || d.tls == nil {
		return c, err
	}
	return tls.Client(c, d.tls), nil
}

// Opening is what a connection is opened with.
type Opening struct {
	URL      *url.URL
	Number   int      // from 0; tells [Dialer.Dial] which address it comes from
	Listener Listener // takes what comes
	Buffer   int      // bytes of the read buffer, which grows for longer messages
	Token    string   // shown in the handshake of a WebSocket; empty: none
	Session  *Session // over HTTP; nil: it is a WebSocket
	Control  ControlFunc
}

// Open opens a connection, and asks for WebSocket unless it is for a session over
// HTTP. It has a deadline until Ready is called, and nothing has been handed to the
// listener. The caller drops it in the end.
func (d *Dialer) Open(ctx context.Context, o Opening) (*Conn, error) {
	raw, err := d.Dial(ctx, o.Number, o.Control)
	if err != nil {
		return nil, err
	}
	_ = raw.SetDeadline(time.Now().Add(dialWait))
	var early []byte
	if o.Session == nil {
		if early, err = handshake(raw, o.URL, o.Token); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	c := NewConn(raw, o.Listener, o.Buffer)
	c.session = o.Session
	c.held = copy(c.buf, early)
	return c, nil
}
