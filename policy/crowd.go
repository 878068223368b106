package policy

import (
	"container/list"
	"net"
	"sync"
)

// crowd has the clients that are served at a time. Its methods are safe for several
// goroutines.
type crowd struct {
	most int

	mu     sync.Mutex // guards what follows
	silent list.List  // clients that have not asked yet, the oldest first
	asked  list.List  // clients that get their answer, or have it, the oldest first
}

// client is one of a crowd. What it is written is the answer to what it asked.
type client struct {
	net.Conn
	crowd *crowd

	// Guarded by the crowd's lock.
	in *list.List // nil: it has left
	at *list.Element
}

// enter takes a connection in. When there are too many it returns the one that has to
// go for it, which is to be closed: the oldest that has not asked, because who wants
// something asks at once. When all have, it is the oldest of them.
func (c *crowd) enter(conn net.Conn) (entered, goes *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silent.Len()+c.asked.Len() >= c.most {
		oldest := c.silent.Front()
		if oldest == nil {
			oldest = c.asked.Front()
		}
		goes = oldest.Value.(*client)
		goes.move(nil)
	}
	entered = &client{Conn: conn, crowd: c}
	entered.move(&c.silent)
	return entered, goes
}

// leave is harmless for one that has left.
func (c *crowd) leave(m *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.move(nil)
}

// move runs under the crowd's lock.
func (m *client) move(to *list.List) {
	if m.in != nil {
		m.in.Remove(m.at)
	}
	if m.in = to; to != nil {
		m.at = to.PushBack(m)
	}
}

// Write implements [net.Conn].
func (m *client) Write(p []byte) (int, error) {
	m.crowd.mu.Lock()
	if m.in != nil {
		m.move(&m.crowd.asked)
	}
	m.crowd.mu.Unlock()
	return m.Conn.Write(p)
}

// CloseWrite ends the answer before the client has closed.
func (m *client) CloseWrite() error { return closeWrite(m.Conn) }
