package ws

import (
	"errors"
	"io"
	"net/http"
	"time"

	"belfry/web/access"
	"belfry/web/session"
	"belfry/web/wire"
)

const (
	// challengeWait is how long a client may take to send the eight bytes behind the
	// head of its handshake.
	challengeWait = 5 * time.Second
	// frameWait is how long a client may take to send a text frame.
	frameWait = time.Minute
)

// hixie is the transport of the drafts hixie-75 and hixie-76. They carry text
// only, and have neither pings nor close codes: a peer that is gone without a
// word is found by TCP's keepalive, which the listener has switched on, or by
// writing to it.
type hixie struct {
	wire.Conn
	session *session.Session
	draft   draft
}

// Name implements [session.Transport].
func (t *hixie) Name() string {
	if t.draft == draftHixie75 {
		return "hixie-75"
	}
	return "hixie-76"
}

// Framing implements [session.Transport].
func (t *hixie) Framing() session.Framing { return wire.HixieText{} }

// Ping implements [session.Transport]: there is none.
func (t *hixie) Ping() {}

// Abort implements [session.Transport].
func (t *hixie) Abort() { _ = t.Close() }

// Remote implements [session.Transport].
func (t *hixie) Remote() string { return t.RemoteAddr().String() }

// Shut implements [session.Transport]. It has no words for the reason.
func (t *hixie) Shut(_ int, _ string, drop bool) {
	if t.draft == draftHixie75 {
		t.Finish(nil, drop, endWait)
		return
	}
	t.End(wire.HixieClose, drop, endWait)
}

// serveHixie answers a handshake of hixie-75 or hixie-76 and runs the session on
// a goroutine of its own.
func (s *Server) serveHixie(w http.ResponseWriter, r *http.Request, d draft, speak session.Speak) error {
	t := &hixie{draft: d}
	c, err := s.sessions.Open(access.HelloOf(r).Stranger(), t, speak)
	if err != nil {
		return err
	}
	t.session = c
	if d == draftHixie75 {
		err = s.serveHixie75(w, r, t)
	} else {
		err = s.serveHixie76(w, r, t)
	}
	if err != nil {
		c.End()
	}
	return err
}

func (s *Server) serveHixie75(w http.ResponseWriter, r *http.Request, t *hixie) error {
	err := t.session.Prepare(access.HelloOf(r).Stranger())
	if err == nil {
		err = s.hijack(w, &t.Conn)
	}
	if err == nil {
		s.startHixie(t, hixieAnswer(r, t.draft))
	}
	return err
}

// serveHixie76 sends the head of the answer before it waits for the eight bytes:
// a proxy in between forwards them only when it has seen the head. Nothing is
// subscribed until they are here, so that a handshake left half open costs
// little; it stays on the request's goroutine for as long.
func (s *Server) serveHixie76(w http.ResponseWriter, r *http.Request, t *hixie) error {
	challenge, err := hixieKeys(r)
	if err != nil {
		return err
	}
	if err := s.hijack(w, &t.Conn); err != nil {
		return err
	}
	_ = t.Send(hixieAnswer(r, t.draft)) // reading tells when it is gone
	err = t.readChallenge(challenge.body())
	if err == nil {
		err = t.session.Prepare(access.HelloOf(r).Stranger())
	}
	if err != nil { // too late to say why
		s.sessions.Logger().Debug("handshake", "remote", t.Remote(), "err", err)
		_ = t.Close()
		t.Wait()
		t.session.End()
		return nil
	}
	s.startHixie(t, challenge.digest())
	return nil
}

func (t *hixie) readChallenge(body []byte) error {
	if err := t.SetReadDeadline(time.Now().Add(challengeWait)); err != nil {
		return err
	}
	if _, err := io.ReadFull(t, body); err != nil {
		return err
	}
	return t.SetReadDeadline(time.Time{})
}

// startHixie sends the last bytes of the handshake and runs the session, which is
// pinged as soon as it has begun.
func (s *Server) startHixie(t *hixie, last []byte) {
	_ = t.Send(last) // reading tells when it is gone
	if !t.session.Begin() {
		turnAway(t.session, &t.Conn)
		return
	}
	// The session has begun, and Shutdown waits for it.
	go s.runHixie(t)
}

func (s *Server) runHixie(t *hixie) {
	defer t.session.End()
	t.session.Opened()
	longest := int(s.sessions.Limits().Message)
	in := wire.NewHixieReader(&t.Conn, longest, frameWait, t.draft == draftHixie76)
	t.leave(t.listen(in))
	_ = t.Close()
	t.Wait()
}

// listen hands over messages until there are no more.
func (t *hixie) listen(in *wire.HixieReader) error {
	for {
		text, err := in.Next()
		if err != nil {
			return err
		}
		t.session.Receive(session.Text, text)
	}
}

// leave says goodbye to a peer that is there still: it said so itself, or it
// breaks a rule. It is the goroutine that reads.
func (t *hixie) leave(err error) {
	said := errors.Is(err, wire.ErrHixieClose)
	if !said && !errors.Is(err, wire.ErrTooLong) && !errors.Is(err, wire.ErrHixieLength) {
		return
	}
	first := t.session.BeginClosing()
	if first {
		t.Shut(0, "", false)
	}
	if first || !said {
		t.Discard(endWait)
	}
}
