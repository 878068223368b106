package web

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"belfry/web/wire"
)

const (
	// pollBeats is after how many beats a poll is answered that has nothing to
	// hear: at most 25 s after it came.
	pollBeats = int32(pollWait / beat)
	// idlePollBeats is after how many beats a connection is closed on which no
	// poll comes.
	idlePollBeats = 12
)

// pollConn is a connection that was taken over from the HTTP server at a poll, and
// on which polls follow. Through the server a poll costs three times as much as
// here, where it is answered by whoever has something to say, in one write. A
// request of any other kind is given back to the server, with the connection.
//
// It is a carrier while a poll waits on it.
type pollConn struct {
	wire.Conn
	server *Server
	back   *http.Server // to give the connection back to
	same   pollRequest  // what polls have to have in common
	head   []byte       // of a response, up to its length
	slot   int          // on the wheel of streams
	buf    []byte       // what was read of the next request

	current atomic.Pointer[carried] // session of the last poll
	idle    atomic.Int32            // beats since the last poll, or its answer

	// Guarded by the lock of the session that the poll is for.
	position uint64
	wrap     rewrap
}

// polls are the connections on which polls come.
type polls struct {
	mu     sync.Mutex // guards what follows
	conns  map[*pollConn]struct{}
	closed bool
	work   sync.WaitGroup // their goroutines; not added to once closed
}

// add returns false when the server has closed them all.
func (p *polls) add(c *pollConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if p.conns == nil {
		p.conns = make(map[*pollConn]struct{})
	}
	p.conns[c] = struct{}{}
	p.work.Add(1)
	return true
}

func (p *polls) remove(c *pollConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	p.work.Done()
}

// close closes the connections, once the sessions have gone, and waits for their
// goroutines.
func (p *polls) close() {
	p.mu.Lock()
	p.closed = true
	conns := slices.Collect(maps.Keys(p.conns))
	p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close() // a second time, for one that is about to be removed
	}
	p.work.Wait()
}

var errNotTaken = errors.New("the connection stays with the server")

// pollDirectly takes the connection of a poll over and answers there. It returns
// errNotTaken where that cannot be done, and then nothing has happened.
func (s *Server) pollDirectly(c *carrying) error {
	back, ok := c.r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || c.r.Close || !c.r.ProtoAtLeast(1, 1) || c.r.ProtoMajor != 1 || s.carried.life.Err() != nil {
		return errNotTaken
	}
	setStreamHeader(c.w.Header(), c.wrap)
	conn, early, err := takeOver(c.w)
	if err != nil {
		return errNotTaken
	}
	p := &pollConn{buf: early, server: s, back: back, head: pollHead(c.w.Header()),
		same: pollRequest{path: c.r.URL.EscapedPath(), host: c.r.Host, origin: c.r.Header.Get("Origin")}}
	p.Open(conn, nil, s.carried.conns)
	if !s.carried.polls.add(p) {
		return p.Close()
	}
	p.carry(c.session, c.got, c.preface)
	s.carried.beats.add(p, &p.slot)
	c.session.started()
	go p.serve()
	return nil
}

// pollHead is what the head of each response begins with.
func pollHead(h http.Header) []byte {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(&b) // a buffer takes it
	b.WriteString("Content-Length: ")
	return b.Bytes()
}

// carry makes the connection the carrier of a session for one poll of a client
// that has the first n lines, and answers at once when there is something to say.
func (c *pollConn) carry(t *carried, n uint64, preface []byte) {
	c.current.Store(t)
	c.idle.Store(0)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.acknowledge(n)
	t.turn++
	c.position, c.wrap = t.log.position(n, t.wrap), rewrap{from: t.wrap, to: framingLines}
	t.attach(c)
	if len(preface) > 0 || c.position < t.log.end() || t.state != carriedOpen {
		c.answer(t, preface)
	}
}

// answer answers the poll that waits. The connection carries the session no more.
// It runs under the session's lock.
func (c *pollConn) answer(t *carried, body []byte) {
	c.idle.Store(0)
	parts, _, _ := t.log.since(c.position, max(t.log.size, 1))
	if body = c.wrap.appendAll(body, parts); len(body) == 0 {
		body = framingLines.appendPing(nil)
	}
	t.carrier = nil
	if t.state == carriedOpen {
		t.startWaiting()
	}
	leaving := c.server.carried.life.Err() != nil
	_ = c.Send(c.response(body, leaving)) // reading tells when it is gone
	if leaving {
		c.Finish(nil, false, endWait)
	}
	if t.state != carriedOpen {
		t.tellLocked()
	}
}

// response is a whole response.
func (c *pollConn) response(body []byte, last bool) []byte {
	b := make([]byte, 0, len(c.head)+len(body)+100)
	b = strconv.AppendInt(append(b, c.head...), int64(len(body)), 10)
	b = time.Now().UTC().AppendFormat(append(b, "\r\nDate: "...), http.TimeFormat)
	if last {
		b = append(b, "\r\nConnection: close"...)
	}
	return append(append(b, "\r\n\r\n"...), body...)
}

func (c *pollConn) send([]byte) error { c.answer(c.current.Load(), nil); return nil }
func (c *pollConn) direct() bool      { return false }
func (c *pollConn) replace()          { c.answer(c.current.Load(), nil) }

func (c *pollConn) end([]byte, bool) {
	t := c.current.Load()
	c.position = max(c.position, t.log.start) // frames may have been dropped
	c.answer(t, nil)
}

// beat answers a poll that has waited long enough, and closes a connection on
// which none comes.
func (c *pollConn) beat() {
	idle := c.idle.Add(1)
	t := c.current.Load()
	t.mu.Lock()
	waits := t.carrier == c
	if waits && idle >= pollBeats {
		c.answer(t, nil)
	}
	t.mu.Unlock()
	if !waits && idle >= idlePollBeats {
		_ = c.Close()
	}
}

// serve reads polls until the client goes or asks for something else.
func (c *pollConn) serve() {
	defer c.server.carried.polls.remove(c)
	defer c.server.carried.beats.remove(c, &c.slot)
	for {
		size, err := c.read()
		if err != nil {
			break
		}
		c.Wait() // until the client has taken the answer before: one may wait, not many
		poll, ok := c.same.parse(c.buf[:size])
		t := c.server.carried.poll(poll)
		if ok && t != nil && t.acknowledge(poll.got) {
			c.buf = c.buf[:copy(c.buf, c.buf[size:])]
			c.carry(t, poll.got, nil)
			continue
		}
		if c.giveBack() {
			return
		}
		break
	}
	_ = c.Close()
	c.current.Load().detach(c)
	c.Wait()
}

const (
	// pollBuffer is the size of a connection's read buffer in bytes, and
	// maxPollHead what it grows to for requests with many headers. Longer ones
	// are the server's.
	pollBuffer  = 1 << 10
	maxPollHead = 8 << 10
)

var errPipelined = errors.New("a request came before the one before was answered")

// read reads the head of a request, and returns its size. It returns the size of
// what there is when it is too long.
func (c *pollConn) read() (int, error) {
	for {
		size := headSize(c.buf)
		if size == 0 && len(c.buf) >= maxPollHead {
			size = len(c.buf)
		}
		if size > 0 {
			return size, c.mayRead()
		}
		if len(c.buf) == cap(c.buf) {
			c.buf = append(make([]byte, 0, max(pollBuffer, 2*cap(c.buf))), c.buf...)
		}
		n, err := c.Read(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+n]
		if err != nil {
			return 0, err
		}
	}
}

// mayRead refuses a client that does not wait for its answers.
func (c *pollConn) mayRead() error {
	t := c.current.Load()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.carrier == c {
		return errPipelined
	}
	return nil
}

// poll returns the session of a poll, or nil when it is not one of this node.
func (c *carriedSessions) poll(p pollRequest) *carried {
	if p.node != c.node {
		return nil
	}
	if t := c.find(p.secret); t != nil && !t.bound {
		return t
	}
	return nil
}

// giveBack gives the connection back to the HTTP server, with what was read from
// it. Nothing is being written. It returns false when the server takes no more.
func (c *pollConn) giveBack() bool {
	l := &givenBack{conn: &readAhead{Conn: c.Conn.Conn, early: c.buf}, addr: c.LocalAddr()}
	return !errors.Is(c.back.Serve(l), http.ErrServerClosed)
}

// givenBack is a listener with one connection.
type givenBack struct {
	conn net.Conn // nil once it was accepted
	addr net.Addr
}

// Accept implements [net.Listener].
func (l *givenBack) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, io.EOF
	}
	conn := l.conn
	l.conn = nil
	return conn, nil
}

// Close implements [net.Listener].
func (l *givenBack) Close() error { return nil }

// Addr implements [net.Listener].
func (l *givenBack) Addr() net.Addr { return l.addr }

// readAhead is a connection of which something was read already.
type readAhead struct {
	net.Conn
	early []byte
}

// Read implements [net.Conn].
func (r *readAhead) Read(p []byte) (int, error) {
	if len(r.early) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.early)
	r.early = r.early[n:]
	return n, nil
}

// CloseWrite is for an HTTP server that refuses a body without reading it to its
// end, and wants its answer to arrive all the same.
func (r *readAhead) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Unwrap returns the connection below, once it has all that is left to read.
func (r *readAhead) Unwrap() net.Conn {
	if len(r.early) > 0 {
		return r
	}
	return r.Conn
}
