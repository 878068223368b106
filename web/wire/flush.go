package wire

import (
	"errors"
	"net"
	"os"
	"time"
)

// flushSize is how many bytes the flusher hands to one write, about. It is the
// unit of progress that a slow peer has to make within the write deadline.
const flushSize = 64 << 10

// flush starts the flusher with what the socket did not take of a frame. It
// runs under the lock, at most once until the flusher has ended.
func (c *Conn) flush(rest []byte) {
	c.waiting += len(rest)
	c.extend() // before the flusher writes
	c.flusher.Go(func() {
		for chunks := (net.Buffers{rest}); chunks != nil; chunks = c.next() {
			n, err := chunks.WriteTo(c.Conn)
			if err != nil {
				_ = c.close(reason(err))
				return
			}
			c.taken(int(n))
		}
		c.closeWrite()
	})
}

// reason is the state of a connection after a write that failed.
func reason(err error) state {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return stalled
	}
	return closed
}

// next returns what to write next, or nil after noting that the flusher ends.
func (c *Conn) next() net.Buffers {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, size := 0, 0
	for n < len(c.pending) && (n == 0 || size+len(c.pending[n]) <= flushSize) {
		size += len(c.pending[n])
		n++
	}
	if n == 0 {
		c.pending = nil
		c.rest()
		return nil
	}
	chunks := net.Buffers(c.pending[:n:n])
	c.pending = c.pending[n:]
	c.extend()
	return chunks
}

// taken notes that the peer has come nearer.
func (c *Conn) taken(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = max(0, c.waiting-n) // Close may have set it to zero
}

// extend gives the peer a new write deadline, unless the end has one. It runs
// under the lock.
func (c *Conn) extend() {
	if c.state == flushing {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(c.options.WriteWait))
	}
}

// rest lets frames go to the socket directly again. The deadline is taken away:
// once it is in the past, TLS below could not answer a key update. It runs under
// the lock.
func (c *Conn) rest() {
	if c.state == flushing {
		c.state = idle
		_ = c.Conn.SetWriteDeadline(time.Time{})
	}
}
