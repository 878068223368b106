package web

import (
	"errors"
	"io"
	"net/http"
	"time"

	"belfry/web/fault"
	"belfry/web/wire"
)

var errHixieBody = fault.New(fault.BadRequest, "a handshake of hixie-76 has eight bytes behind its head, one of hixie-75 none, and neither is chunked").With("Connection", "close")

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
	session *session
	draft   draft
}

func (t *hixie) send(frames []byte) error { return t.Send(frames) }
func (t *hixie) framing() framing         { return wire.HixieText{} }
func (t *hixie) ping()                    {}
func (t *hixie) abort()                   { _ = t.Close() }
func (t *hixie) remote() string           { return t.RemoteAddr().String() }

// end has no words for the reason.
func (t *hixie) end(_ int, _ string, drop bool) {
	if t.draft == draftHixie75 {
		t.Finish(nil, drop, endWait)
		return
	}
	t.End(wire.HixieClose, drop, endWait)
}

// serveHixie answers a handshake of hixie-75 or hixie-76 and runs the session on
// a goroutine of its own.
func (s *Server) serveHixie(w http.ResponseWriter, r *http.Request, d draft, speak func(*session) protocol) error {
	switch {
	case r.ContentLength != 0 && !(d == draftHixie76 && r.ContentLength == 8):
		// The HTTP server reads what it can of a body before it closes.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(endWait))
		return errHixieBody
	case s.isDraining():
		return errDraining
	}
	if err := s.origins.Check(r); err != nil {
		return err
	}
	t := &hixie{draft: d}
	t.session = s.newSession(t, speak)
	if d == draftHixie75 {
		return s.serveHixie75(w, r, t)
	}
	return s.serveHixie76(w, r, t)
}

func (s *Server) serveHixie75(w http.ResponseWriter, r *http.Request, t *hixie) error {
	err := t.session.protocol.prepare()
	if err == nil {
		err = hijack(w, &t.Conn, s.conns)
	}
	if err != nil {
		t.session.unsubscribeAll()
		return err
	}
	s.startHixie(t, hixieAnswer(r, t.draft))
	return nil
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
	if err := hijack(w, &t.Conn, s.conns); err != nil {
		return err
	}
	_ = t.Send(hixieAnswer(r, t.draft)) // reading tells when it is gone
	err = t.readChallenge(challenge.body())
	if err == nil {
		err = t.session.protocol.prepare()
	}
	if err != nil { // too late to say why
		s.logger.Debug("handshake", "remote", t.remote(), "err", err)
		t.session.unsubscribeAll()
		_ = t.Close()
		t.Wait()
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

// startHixie sends the last bytes of the handshake and runs the session.
func (s *Server) startHixie(t *hixie, last []byte) {
	if !s.admit(t.session) {
		t.session.unsubscribeAll()
		_ = t.Close()
		return
	}
	_ = t.Send(last) // reading tells when it is gone
	// The session is counted by admit, and Shutdown waits for it.
	go s.runHixie(t)
}

func (s *Server) runHixie(t *hixie) {
	defer s.dismiss(t.session)
	t.session.protocol.opened()
	in := wire.NewHixieReader(&t.Conn, int(s.limits.Message), frameWait, t.draft == draftHixie76)
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
		t.session.text(text)
	}
}

// leave says goodbye to a peer that is there still: it said so itself, or it
// breaks a rule. It is the goroutine that reads.
func (t *hixie) leave(err error) {
	said := errors.Is(err, wire.ErrHixieClose)
	if !said && !errors.Is(err, wire.ErrTooLong) && !errors.Is(err, wire.ErrHixieLength) {
		return
	}
	first := t.session.beginClosing()
	if first {
		t.end(0, "", false)
	}
	if first || !said {
		t.Discard(endWait)
	}
}
