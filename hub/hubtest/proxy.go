package hubtest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// shortBuffer is how many bytes the system may keep in each place, about.
const shortBuffer = 64 << 10

// Proxy stands between a client and a server on a loopback address, so that a
// test can break their connections. Its methods are safe for several goroutines.
type Proxy struct {
	listener net.Listener
	copies   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	target  string
	refuses bool
	closed  bool
	conns   map[net.Conn]struct{}
	links   map[net.Conn]*link // by client
}

// NewProxy starts a proxy to a TCP address. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, target: target, conns: make(map[net.Conn]struct{}), links: make(map[net.Conn]*link)}
	p.copies.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// SetTarget sends connections from now on elsewhere. Those that exist stay.
func (p *Proxy) SetTarget(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = addr
}

// Cut closes every connection, and returns how many clients that concerned.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.conns) / 2
	for c := range p.conns {
		_ = c.Close()
	}
	return n
}

// Refuse makes the proxy close new connections as soon as they are made, or
// stop doing so.
func (p *Proxy) Refuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = yes
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Cut()
	p.copies.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.copies.Go(func() { p.connect(client) })
	}
}

// connect joins a client to the target until one of them goes.
func (p *Proxy) connect(client net.Conn) {
	defer client.Close()
	target := p.current()
	dialer := net.Dialer{Control: smallSegments}
	server, err := dialer.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.keep(client, server, target) {
		return
	}
	shorten(client, server)
	defer p.drop(client, server)
	l := p.link(client)
	p.copies.Go(func() { pour(server, client, l) })
	pour(client, server, l)
}

// Forget has the connections that there are lead nowhere from now on, as a firewall does
// that has not seen them move for too long: nobody hears that what is sent is lost.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.forgotten.Store(true)
	}
}

// link is what joins a client to the target.
type link struct{ forgotten atomic.Bool }

func (p *Proxy) link(client net.Conn) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := new(link)
	p.links[client] = l
	return l
}

// way is where a link copies to.
type way struct {
	to   io.Writer
	link *link
}

func (w way) Write(b []byte) (int, error) {
	if w.link.forgotten.Load() {
		return len(b), nil
	}
	return w.to.Write(b)
}

func (p *Proxy) current() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target
}

// keep notes a connection to a target, unless there is another by now: those who were cut
// are not to come back to the former one.
func (p *Proxy) keep(client, server net.Conn, target string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuses || p.closed || p.target != target {
		return false
	}
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	return true
}

func (p *Proxy) drop(client, server net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, server)
	delete(p.links, client)
}

// shorten keeps little of what the server says on its way, so that the server
// soon feels that a client does not read.
func shorten(client, server net.Conn) {
	_ = client.(*net.TCPConn).SetWriteBuffer(shortBuffer)
	_ = server.(*net.TCPConn).SetReadBuffer(shortBuffer)
}

// pour copies until either end closes, and then closes both.
func pour(to, from net.Conn, l *link) {
	// As plain reader and writer: otherwise the system would keep up to 1 MiB
	// between them.
	_, _ = io.Copy(way{to, l}, struct{ io.Reader }{from})
	_ = to.Close()
	_ = from.Close()
}
