package web

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"time"
)

const (
	// streamPart is how many bytes go into one write of a stream that is not
	// written to directly. It is the unit of progress within the write deadline.
	streamPart = 64 << 10
	// pollWriteWait is how long a client may take for the answer to a long-poll:
	// over HTTP/2 it may let nothing through, however small.
	pollWriteWait = 30 * time.Second
	// streamPing is how long such a stream is quiet before it gets a ping.
	streamPing = quietBeats * beat
)

// setStreamHeader describes a response that nobody on the way may keep, hold back
// or change.
func setStreamHeader(h http.Header, d dialect) {
	h.Set("Content-Type", d.ContentType())
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // for nginx
	// Chromium would hold text back until it has enough of it to guess its type.
	h.Set("X-Content-Type-Options", "nosniff")
}

// streamHead is the head of a response on a connection that was taken over. It
// has no length: the response ends with the connection.
func streamHead(h http.Header) []byte {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\nConnection: close\r\nDate: " + time.Now().UTC().Format(http.TimeFormat) + "\r\n")
	_ = h.Write(&b) // a buffer takes it
	b.WriteString("\r\n")
	return b.Bytes()
}

// streamDirectly takes the connection over and writes to it from now on. It
// returns http.ErrNotSupported where that cannot be done, or is not worth it: a
// session that has ended has little left to say.
func (s *Server) streamDirectly(c *carrying) error {
	if c.r.ProtoMajor != 1 || !c.session.isOpen() {
		return http.ErrNotSupported
	}
	setStreamHeader(c.w.Header(), c.wrap)
	head := streamHead(c.w.Header())
	conn, _, err := takeOver(c.w)
	if err != nil {
		return err
	}
	c.session.carryDirectly(conn, c.wrap, append(head, c.preface...), c.got)
	c.session.started()
	return nil
}

// streamPulled writes what a session says as it comes, until either ends. Once
// the head is out there is no status any more to say a fault with.
func (s *Server) streamPulled(c *carrying) error {
	setStreamHeader(c.w.Header(), c.wrap)
	c.w.WriteHeader(http.StatusOK)
	out := &streamWriter{c.w, http.NewResponseController(c.w)}
	wrap := newRewrap(c.puller.framing(), c.wrap)
	last, whole := false, true
	for buf := c.preface; out.write(buf) == nil; {
		c.puller.done(last)
		if last {
			return nil
		}
		found, err := c.puller.next(c.r.Context(), streamPart, streamPing)
		if err != nil {
			return nil
		}
		if buf = wrap.appendAll(buf[:0], found.frames); len(buf) == 0 && whole {
			buf = c.wrap.AppendPing(buf)
		}
		last, whole = found.last, found.whole
	}
	return nil
}

// streamWriter writes to a response with a deadline for each write. It is taken
// back, because on HTTP/2 one that passes resets the stream, written to or not.
type streamWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (o *streamWriter) write(p []byte) error {
	_ = o.control.SetWriteDeadline(time.Now().Add(writeWait))
	defer func() { _ = o.control.SetWriteDeadline(time.Time{}) }()
	if _, err := o.w.Write(p); err != nil {
		return err
	}
	return o.control.Flush()
}

// pollPulled answers with what a session says first, or with a ping when it says
// nothing for a while.
func (s *Server) pollPulled(c *carrying) error {
	wait := pollWait
	if len(c.preface) > 0 {
		wait = 0
	}
	body, last, err := c.fetch(s.limits.Buffer+ackSlack, wait)
	if c.r.Context().Err() != nil {
		return nil // the client is gone
	}
	if err != nil {
		return err
	}
	if len(body) == 0 {
		body = c.wrap.AppendPing(body)
	}
	h := c.w.Header()
	setStreamHeader(h, c.wrap)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(pollWriteWait))
	if _, err := c.w.Write(body); err == nil {
		c.puller.done(last)
	}
	return nil
}

// fetch returns the preface and whole frames behind it.
func (c *carrying) fetch(most int, wait time.Duration) (body []byte, last bool, err error) {
	wrap := newRewrap(c.puller.framing(), c.wrap)
	body = c.preface
	for whole := false; !whole; {
		found, err := c.puller.next(c.r.Context(), most, wait)
		switch {
		case errors.Is(err, errReplaced):
			return body, false, nil
		case err != nil:
			return nil, false, err
		}
		body = wrap.appendAll(body, found.frames)
		whole, last = found.whole, found.last
	}
	return body, last, nil
}
