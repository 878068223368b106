package ws

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"

	"belfry/web/access"
	"belfry/web/session"
	"belfry/web/wire"
)

const (
	// pongWait is how long a client may leave pings unanswered.
	pongWait = (2*session.PingSeconds + 10) * time.Second
	// returnWait is how long what a client has published may take to come back to it,
	// before it is told that it has broken a rule.
	returnWait = 250 * time.Millisecond
	// readBuffer is the size of a session's read buffer in bytes. Longer
	// messages are read past it. Gorilla keeps a reader of more than 256 bytes.
	readBuffer = 320
)

// webSocket is the transport of RFC 6455. Melody reads, answers pings and ends
// the connection; frames go straight to the connection below it.
type webSocket struct {
	wire.Conn
	session  *session.Session // how melody's callbacks find it
	in       *bufio.Reader    // that gorilla reads from
	text     wire.TextCheck
	notUTF8  bool   // text that has come in part is not UTF-8
	answered bool   // gorilla believes that it has answered the handshake
	verdict  []byte // gorilla's close frame for a client that has broken a rule
}

// errNotUTF8 ends reading when text is not UTF-8.
var errNotUTF8 = errors.New("text is not valid UTF-8")

// Read implements [net.Conn] for gorilla, and looks at text as it comes. What came
// before is handled when gorilla asks for more, and only then reading ends.
func (t *webSocket) Read(p []byte) (int, error) {
	if t.notUTF8 {
		return 0, errNotUTF8
	}
	n, err := t.Conn.Read(p)
	t.notUTF8 = !t.text.Valid(p[:n])
	return n, err
}

// Name implements [session.Transport].
func (t *webSocket) Name() string { return "websocket" }

// Framing implements [session.Transport].
func (t *webSocket) Framing() session.Framing { return wire.Text{} }

// Ping implements [session.Transport]. Reading tells when the client is gone.
func (t *webSocket) Ping() { _ = t.Send(wire.Ping) }

// Abort implements [session.Transport].
func (t *webSocket) Abort() { _ = t.Close() }

// Remote implements [session.Transport].
func (t *webSocket) Remote() string { return t.RemoteAddr().String() }

// Shut implements [session.Transport].
func (t *webSocket) Shut(code int, reason string, drop bool) {
	t.End(wire.AppendClose(nil, code, reason), drop, endWait)
}

// Write implements [net.Conn] for gorilla. What gorilla writes first is its answer to
// gorillaRequest, which is left out: ours was sent. A close frame of its is kept until
// reading has failed.
func (t *webSocket) Write(p []byte) (int, error) {
	switch {
	case !t.answered:
		t.answered = true
		return len(p), nil
	case len(p) > 0 && wire.IsClose(p[0]):
		t.verdict = bytes.Clone(p)
		return len(p), nil
	}
	return t.Conn.Write(p)
}

func transportOf(ms *melody.Session) *webSocket {
	return ms.WebsocketConnection().NetConn().(*webSocket)
}

func sessionOf(ms *melody.Session) *session.Session { return transportOf(ms).session }

// newMelody sets melody up. Its broadcast and its queue are not used: frames
// are written by the hub's drain through [wire.Conn].
func newMelody(longest int64) *melody.Melody {
	m := melody.New()
	m.Config = &melody.Config{
		WriteWait:         WriteWait,
		PongWait:          pongWait,
		PingPeriod:        math.MaxInt64, // the wheel pings
		MaxMessageSize:    longest,
		MessageBufferSize: 0, // nothing is sent through melody's queue
	}
	m.Upgrader = &websocket.Upgrader{
		// Zero: the reader that the hijack returns is kept, and it is small.
		ReadBufferSize: 0,
		// Only control frames are written by gorilla.
		WriteBufferSize: 256,
		WriteBufferPool: &sync.Pool{},
		// Origins were checked before the hijack.
		CheckOrigin: func(*http.Request) bool { return true },
	}
	m.HandleConnect(func(ms *melody.Session) {
		ms.Request = nil // the session outlives it
		sessionOf(ms).Opened()
	})
	m.HandleMessage(func(ms *melody.Session, text []byte) { sessionOf(ms).Receive(session.Text, text) })
	m.HandleError(func(ms *melody.Session, err error) { transportOf(ms).failed(err) })
	m.HandleClose(echoClose)
	m.HandleMessageBinary(func(ms *melody.Session, data []byte) {
		sessionOf(ms).Receive(session.Binary, data)
	})
	return m
}

// echoClose answers a close frame with the same code and reason (RFC 6455, section
// 5.5.1). To a client that answers ours nothing is sent.
func echoClose(ms *melody.Session, code int, reason string) error {
	t, answer := transportOf(ms), wire.EmptyClose
	if code != websocket.CloseNoStatusReceived {
		answer = wire.AppendClose(nil, code, reason)
	}
	if t.session.BeginClosing() {
		t.End(answer, false, endWait)
	}
	return nil
}

// failed ends a session of which nothing more is read. A client that breaks a rule is
// told so when what it said before has had time to come back to it. Behind that, or
// behind its close frame, it may have sent more, and to close with that unread would
// reset the connection: it would lose all that it has not read.
func (t *webSocket) failed(err error) {
	var said *websocket.CloseError
	var broken net.Error
	switch {
	case errors.Is(err, errNotUTF8):
		time.Sleep(returnWait)
		t.session.Close(session.InvalidUTF8)
	case errors.As(err, &said) && said.Code != websocket.CloseAbnormalClosure:
		if t.in.Buffered() == 0 {
			t.Wait() // until the answer is out
			return
		}
	case errors.As(err, &said): // the end of the connection
		return
	case errors.As(err, &broken), errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return
	default:
		time.Sleep(returnWait)
		if t.session.BeginClosing() {
			t.End(t.verdict, false, endWait)
		}
	}
	t.Discard(endWait)
}

// helloOf is what a client shows, unless it speaks a draft.
func helloOf(r *http.Request) access.Hello {
	hello := access.HelloOf(r)
	if r.Header.Get("Sec-Websocket-Version") != "13" {
		hello = hello.Stranger()
	}
	return hello
}

// serveMasked upgrades a request of version 7, 8 or 13. The session runs on a
// goroutine of its own, so that the request's stack and buffers are let go.
func (s *Server) serveMasked(w http.ResponseWriter, r *http.Request, e session.Endpoint, hello access.Hello) error {
	if err := checkKey(r); err != nil {
		return err
	}
	subprotocol, speak := e.Agree(r.Header["Sec-Websocket-Protocol"])
	t := &webSocket{}
	c, err := s.sessions.Open(hello, t, speak)
	if err != nil {
		return err
	}
	t.session = c
	if err = c.Prepare(hello); err == nil {
		err = s.hijack(w, &t.Conn)
	}
	if err != nil {
		c.End()
		return err
	}
	// The answer comes first: a session that has begun is pinged, and may be closed.
	_ = t.Send(maskedAnswer(r.Header.Get("Sec-Websocket-Key"), subprotocol)) // reading tells when it is gone
	if !c.Begin() {
		turnAway(c, &t.Conn)
		return nil
	}
	// The session has begun, and Shutdown waits for it.
	go s.runWebSocket(t)
	return nil
}

// turnAway ends a session that was answered as the server went down, and so has not
// begun: its client is told to come back, as all others are.
func turnAway(c *session.Session, t *wire.Conn) {
	c.Close(session.Shutdown)
	t.Discard(endWait)
	c.End()
	_ = t.Close()
}

// runWebSocket reads until the connection ends. It has nothing on its stack but what
// it needs for that: the runtime gives new goroutines the stack that all have used
// on average, in powers of two, and sessions are nearly all there are. With 200 bytes
// more it is 4 KiB in place of 2, also for melody's writer, which keeps them.
func (s *Server) runWebSocket(t *webSocket) {
	s.finish(t, s.melody.HandleRequest(&upgrade{t, make(http.Header)}, gorillaRequest))
}

// finish ends a session of which nothing more is read.
//
//go:noinline
func (s *Server) finish(t *webSocket, err error) {
	defer t.session.End()
	if err != nil {
		s.sessions.Logger().Debug("upgrade", "remote", t.Remote(), "err", err)
	}
	_ = t.Close()
	t.Wait()
}

// upgrade hands a connection that was hijacked already to gorilla.
type upgrade struct {
	conn   *webSocket
	header http.Header
}

// Hijack implements [http.Hijacker].
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	u.conn.in = bufio.NewReaderSize(u.conn, readBuffer)
	return u.conn, bufio.NewReadWriter(u.conn.in, bufio.NewWriterSize(u.conn, 16)), nil
}

// Header implements [http.ResponseWriter].
func (u *upgrade) Header() http.Header { return u.header }

// Write implements [http.ResponseWriter]. It is not reached: gorilla
// takes gorillaRequest.
func (u *upgrade) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements [http.ResponseWriter].
func (u *upgrade) WriteHeader(int) {}
