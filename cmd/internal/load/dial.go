package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

const (
	// dialWait bounds the opening of one connection.
	dialWait = 20 * time.Second
	// perSource is how many connections are opened from one loopback address,
	// which has about 28,000 ports to give on Linux, each for a minute longer
	// than it is used.
	perSource = 8000
)

// dialer opens connections to one server.
type dialer struct {
	address  string // host:port, the host an IP address
	loopback bool
	tls      *tls.Config // nil: plain TCP
}

// controlFunc sets up a socket before it connects; nil leaves it as it is.
type controlFunc = func(network, address string, raw syscall.RawConn) error

// dial opens the i-th connection. Those to a loopback address come from
// 127.0.0.1, 127.0.0.2 and so on, where the system has these addresses.
func (d *dialer) dial(ctx context.Context, i int, control controlFunc) (net.Conn, error) {
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

// open opens the i-th connection as a WebSocket. It has a deadline until opened
// is called.
func (d *dialer) open(ctx context.Context, i int, u *url.URL, control controlFunc) (c net.Conn, early []byte, err error) {
	if c, err = d.dial(ctx, i, control); err != nil {
		return nil, nil, err
	}
	_ = c.SetDeadline(time.Now().Add(dialWait))
	if early, err = handshake(c, u); err != nil {
		_ = c.Close()
		return nil, nil, err
	}
	return c, early, nil
}

// handshake asks for WebSocket and returns what the server sent behind its
// answer (RFC 6455, section 4.1).
func handshake(c net.Conn, u *url.URL) (early []byte, err error) {
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails
	_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", u.RequestURI(), u.Host, base64.StdEncoding.EncodeToString(key))
	if err != nil {
		return nil, err
	}
	head, early, err := readHead(c)
	if err != nil {
		return nil, fmt.Errorf("the server does not answer the WebSocket handshake, it may have reached a limit of its own: %w", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return nil, fmt.Errorf("the server does not speak HTTP: %w", err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("the server answers %s to a WebSocket handshake at %s", response.Status, u.Path)
	}
	return early, nil
}

// readHead reads the head of an HTTP response of at most 4 KiB.
func readHead(c net.Conn) (head, rest []byte, err error) {
	b := make([]byte, 4096)
	for n := 0; n < len(b); {
		k, err := c.Read(b[n:])
		if err != nil {
			return nil, nil, err
		}
		n += k
		if i := bytes.Index(b[:n], []byte("\r\n\r\n")); i >= 0 {
			return b[:i+4], b[i+4 : n], nil
		}
	}
	return nil, nil, errors.New("the server's answer to a WebSocket handshake has more than 4 KiB")
}
