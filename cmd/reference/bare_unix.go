//go:build unix

package main

import (
	"encoding/binary"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"

	"github.com/gorilla/websocket"
)

// maxQueue is how many messages of a channel wait to be written before
// publishing waits too.
const maxQueue = 4096

// bareChannel writes each message to each socket by itself: no batch, no
// buffer. A socket that does not take a whole frame at once is shut down. It goes
// past Go's network poller, so that a write is the system call and nothing more: what
// Belfry costs beyond it is Belfry's own.
type bareChannel struct {
	frames chan []byte // finished, for the channel's one writer

	mu      sync.Mutex // guards what follows; held for a round of writes
	sockets []int      // file descriptors
}

// newBareChannel starts the channel's writer.
func newBareChannel() channel {
	c := &bareChannel{frames: make(chan []byte, maxQueue)}
	go c.write() // as long as the process lives
	return c
}

// upgrader lets anybody in: this is no server for the world.
var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

// join keeps the socket among those that are written to while the client is there.
// What the client says is thrown away.
func (c *bareChannel) join(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	socket, err := descriptor(conn.NetConn())
	if err != nil {
		return
	}
	c.add(socket)
	defer c.remove(socket) // before it is closed and its number used again
	for {
		if _, _, err := conn.NextReader(); err != nil {
			return
		}
	}
}

// descriptor is the file descriptor of a connection. It is valid until the connection
// is closed; then the same number may be another connection's.
func descriptor(conn net.Conn) (socket int, err error) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(fd uintptr) { socket = int(fd) })
	return socket, err
}

func (c *bareChannel) add(socket int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets = append(c.sockets, socket)
}

// remove waits for the round that is under way: when it returns, nothing is written
// to the socket any more.
func (c *bareChannel) remove(socket int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.sockets, socket); i >= 0 {
		c.sockets = slices.Delete(c.sockets, i, i+1)
	}
}

// publish makes the frame, once for all sockets, and waits when there are maxQueue
// before it.
func (c *bareChannel) publish(text []byte) { c.frames <- textFrame(text) }

// write writes one frame after another, each to all sockets. The lock is held for a
// round: a descriptor that is closed meanwhile must not be written to, and clients
// that join wait for milliseconds. A yardstick may.
func (c *bareChannel) write() {
	for frame := range c.frames {
		c.mu.Lock()
		for _, socket := range c.sockets {
			if n, err := syscall.Write(socket, frame); n < len(frame) || err != nil {
				_ = syscall.Shutdown(socket, syscall.SHUT_RDWR)
			}
		}
		c.mu.Unlock()
	}
}

// textFrame is a final, unmasked text frame (RFC 6455, section 5.2).
func textFrame(text []byte) []byte {
	frame := []byte{0x81}
	switch n := len(text); {
	case n < 126:
		frame = append(frame, byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
	}
	return append(frame, text...)
}
