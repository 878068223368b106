package main

import (
	"io"
	"net"
	"sync"
)

// gate is the way of one instance to its Redis, which can be shut while Redis and the
// other instances go on.
type gate struct {
	listener net.Listener
	to       string

	mu     sync.Mutex // guards what follows
	closed bool
	conns  map[net.Conn]struct{}
}

// openGate makes a way to an address, which is open. It is to be closed.
func openGate(to string) (*gate, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &gate{listener: l, to: to, conns: make(map[net.Conn]struct{})}
	go g.accept()
	return g, nil
}

func (g *gate) url() string { return "redis://" + g.listener.Addr().String() }

// close ends it.
func (g *gate) close() {
	_ = g.listener.Close()
	g.shut()
}

// shut cuts the connections there are, and those that come, until it is opened.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for c := range g.conns {
		_ = c.Close()
	}
	clear(g.conns)
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}

func (g *gate) accept() {
	for {
		c, err := g.listener.Accept()
		if err != nil {
			return
		}
		if far, err := net.Dial("tcp", g.to); err != nil || !g.pass(c, far) {
			_ = c.Close()
		}
	}
}

// pass joins two connections until one ends, unless the gate is shut.
func (g *gate) pass(near, far net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		_ = far.Close()
		return false
	}
	g.conns[near], g.conns[far] = struct{}{}, struct{}{}
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // ends when either is closed
			_, _ = near.Close(), far.Close()
		}()
	}
	return true
}
