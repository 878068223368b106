package ws

import (
	"bufio"
	"errors"
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
	// readBuffer is the size of a session's read buffer in bytes. Longer
	// messages are read past it. Gorilla keeps a reader of more than 256 bytes.
	readBuffer = 320
)

// webSocket is the transport of RFC 6455. Melody reads, answers pings and ends
// the connection; frames go straight to the connection below it.
type webSocket struct {
	wire.Conn
	session  *session.Session // how melody's callbacks find it
	answered bool             // gorilla believes that it has answered the handshake
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
// gorillaRequest, which is left out: ours was sent.
func (t *webSocket) Write(p []byte) (int, error) {
	if t.answered {
		return t.Conn.Write(p)
	}
	t.answered = true
	return len(p), nil
}

func sessionOf(ms *melody.Session) *session.Session {
	return ms.WebsocketConnection().NetConn().(*webSocket).session
}

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
	m.HandleError(func(ms *melody.Session, err error) {
		if errors.Is(err, websocket.ErrReadLimit) {
			ms.WebsocketConnection().NetConn().(*webSocket).tooLong()
		}
	})
	m.HandleMessageBinary(func(ms *melody.Session, data []byte) {
		sessionOf(ms).Receive(session.Binary, data)
	})
	return m
}

// tooLong ends a session whose client has been told 1009 by gorilla, and is in the
// middle of its message still.
func (t *webSocket) tooLong() {
	t.session.BeginClosing()
	t.Discard(endWait)
}

// serveMasked upgrades a request of version 7, 8 or 13. The session runs on a
// goroutine of its own, so that the request's stack and buffers are let go.
func (s *Server) serveMasked(w http.ResponseWriter, r *http.Request, e session.Endpoint) error {
	if err := checkKey(r); err != nil {
		return err
	}
	subprotocol, speak := e.Agree(r.Header["Sec-Websocket-Protocol"])
	t := &webSocket{}
	hello := access.HelloOf(r)
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
		c.End()
		return t.Close()
	}
	// The session has begun, and Shutdown waits for it.
	go s.runWebSocket(t)
	return nil
}

func (s *Server) runWebSocket(t *webSocket) {
	defer t.session.End()
	if err := s.melody.HandleRequest(&upgrade{t, make(http.Header)}, gorillaRequest); err != nil {
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
	return u.conn, bufio.NewReadWriter(bufio.NewReaderSize(u.conn, readBuffer), bufio.NewWriterSize(u.conn, 16)), nil
}

// Header implements [http.ResponseWriter].
func (u *upgrade) Header() http.Header { return u.header }

// Write implements [http.ResponseWriter]. It is not reached: gorilla
// takes gorillaRequest.
func (u *upgrade) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements [http.ResponseWriter].
func (u *upgrade) WriteHeader(int) {}
