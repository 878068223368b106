package web

import (
	"bufio"
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"

	"belfry/web/wire"
)

const (
	// writeWait is how long a client may take to accept a chunk of about 64 KiB.
	writeWait = 10 * time.Second
	// endWait is how long a client may take to answer a close frame.
	endWait = 2 * time.Second
	// callWait bounds what one message of a client may wait for the hub.
	callWait = 2 * time.Second
	// pongWait is how long a client may leave pings unanswered.
	pongWait = 2*pingInterval + 10*time.Second
	// readBuffer is the size of a session's read buffer in bytes. Longer
	// messages are read past it. Gorilla keeps a reader of more than 256 bytes.
	readBuffer = 320
)

// webSocket is the transport of RFC 6455. Melody reads, answers pings and ends
// the connection; frames go straight to the connection below it.
type webSocket struct {
	wire.Conn
	session *session // how melody's callbacks find it
	answer  []byte   // to the handshake, until it is sent
}

func (t *webSocket) send(frames []byte) error { return t.Send(frames) }
func (t *webSocket) framing() framing         { return wire.Text{} }
func (t *webSocket) ping()                    { _ = t.Send(wire.Ping) } // reading tells when it is gone
func (t *webSocket) abort()                   { _ = t.Close() }
func (t *webSocket) remote() string           { return t.RemoteAddr().String() }

func (t *webSocket) end(code int, reason string, drop bool) {
	t.End(wire.AppendClose(nil, code, reason), drop, endWait)
}

// Write implements [net.Conn] for gorilla. What gorilla writes first is its
// answer to gorillaRequest, and ours goes out instead.
func (t *webSocket) Write(p []byte) (int, error) {
	if t.answer == nil {
		return t.Conn.Write(p)
	}
	err := t.Send(t.answer)
	t.answer = nil
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func sessionOf(ms *melody.Session) *session {
	return ms.WebsocketConnection().NetConn().(*webSocket).session
}

// newMelody sets melody up. Its broadcast and its queue are not used: frames
// are written by the hub's drain through [wire.Conn].
func (s *Server) newMelody() *melody.Melody {
	m := melody.New()
	m.Config = &melody.Config{
		WriteWait:         writeWait,
		PongWait:          pongWait,
		PingPeriod:        math.MaxInt64, // the wheel pings
		MaxMessageSize:    s.limits.Message,
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
		sessionOf(ms).protocol.opened()
	})
	m.HandleMessage(func(ms *melody.Session, text []byte) { sessionOf(ms).text(text) })
	m.HandleError(func(ms *melody.Session, err error) {
		if errors.Is(err, websocket.ErrReadLimit) {
			ms.WebsocketConnection().NetConn().(*webSocket).tooLong()
		}
	})
	m.HandleMessageBinary(func(ms *melody.Session, _ []byte) { sessionOf(ms).close(closeNotText) })
	return m
}

// tooLong ends a session whose client has been told 1009 by gorilla, and is in the
// middle of its message still.
func (t *webSocket) tooLong() {
	t.session.beginClosing()
	t.Discard(endWait)
}

// text checks a text message for UTF-8, which gorilla leaves to its users (RFC
// 6455, section 8.1), and hands it to the protocol.
func (c *session) text(text []byte) {
	if !utf8.Valid(text) {
		c.close(closeInvalidUTF8)
		return
	}
	c.protocol.message(text)
}

// serveMasked upgrades a request of version 7, 8 or 13, and agrees to the
// subprotocol unless it is empty. The session runs on a goroutine of its own, so
// that the request's stack and buffers are let go.
func (s *Server) serveMasked(w http.ResponseWriter, r *http.Request, speak func(*session) protocol, subprotocol string) error {
	if err := checkKey(r); err != nil {
		return err
	}
	if err := s.origins.Check(r); err != nil {
		return err
	}
	if s.isDraining() {
		return errDraining
	}
	t := &webSocket{answer: maskedAnswer(r.Header.Get("Sec-Websocket-Key"), subprotocol)}
	c := s.newSession(t, speak)
	t.session = c
	err := c.protocol.prepare()
	if err == nil {
		err = hijack(w, &t.Conn, s.conns)
	}
	if err != nil {
		c.unsubscribeAll()
		return err
	}
	if !s.admit(c) {
		c.unsubscribeAll()
		return t.Close()
	}
	// The session is counted by admit, and Shutdown waits for it.
	go s.runWebSocket(t)
	return nil
}

// hijack takes the connection of a request over from the HTTP server.
func hijack(w http.ResponseWriter, to *wire.Conn, o *wire.Options) error {
	conn, early, err := takeOver(w)
	if err != nil {
		return err
	}
	to.Open(conn, early, o)
	return nil
}

func (s *Server) runWebSocket(t *webSocket) {
	defer s.dismiss(t.session)
	if err := s.melody.HandleRequest(&upgrade{t, make(http.Header)}, gorillaRequest); err != nil {
		s.logger.Debug("upgrade", "remote", t.remote(), "err", err)
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

// callContext bounds one call of a session into the hub.
func callContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callWait)
}
