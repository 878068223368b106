package carry

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"time"

	"belfry/web/wire"
)

const (
	// streamPart is how many bytes go into one write of a stream that is not
	// written to directly. It is the unit of progress within the write deadline.
	streamPart = 64 << 10
	// PollWait is how long a long-poll waits for something to answer.
	PollWait = 25 * time.Second
	// pollWriteWait is how long a client may take for the answer to a long-poll:
	// over HTTP/2 it may let nothing through, however small.
	pollWriteWait = 30 * time.Second
	// pollCounted is from which size on such answers are counted, in bytes: a smaller one
	// goes out at once.
	pollCounted = 16 << 10
	// streamPing is how long such a stream is quiet before it gets a ping.
	streamPing = quietBeats * beat
)

// exchange is one request that carries a link, and its response.
type exchange struct {
	links   *Links
	w       http.ResponseWriter
	r       *http.Request
	dialect Dialect // what the client reads
	link    *Link   // nil when it is another node's
	source  source  // nil where the connection is still to be taken over
	got     uint64  // lines that the client has
	resumed bool    // the session was there before
	preface []byte  // what the client reads first
}

// Stream answers a request with what the session says, for as long as it lasts. It
// is called once for a link that [Links.Open] has made. When it returns an error,
// which is to be answered, the session has ended.
func (l *Link) Stream(w http.ResponseWriter, r *http.Request, preface []byte) error {
	x := &exchange{links: l.links, w: w, r: r, dialect: l.log.dialect, link: l, preface: preface}
	err := x.stream()
	if err != nil {
		l.vanish()
	}
	return err
}

// stream answers with a response that goes on.
func (x *exchange) stream() error {
	if x.resumed {
		x.preface = x.dialect.AppendPing(x.preface)
	}
	if x.source == nil {
		err := x.streamDirectly()
		if !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		x.fetchHere()
	}
	defer x.source.leave()
	return x.streamFetched()
}

// poll answers with what there is, or will be in a while.
func (x *exchange) poll() error {
	if x.source == nil {
		x.fetchHere()
	}
	defer x.source.leave()
	return x.pollFetched()
}

// fetchHere makes the request one that fetches from a link of this node.
func (x *exchange) fetchHere() {
	x.source = x.link.fetch(x.got)
	x.link.started()
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
func (x *exchange) streamDirectly() error {
	if x.r.ProtoMajor != 1 || !x.link.isOpen() {
		return http.ErrNotSupported
	}
	SetHeader(x.w.Header(), x.dialect.ContentType())
	head := streamHead(x.w.Header())
	conn, _, err := wire.TakeOver(x.w)
	if err != nil {
		return err
	}
	x.link.carryDirectly(conn, x.dialect, append(head, x.preface...), x.got)
	x.link.started()
	return nil
}

// streamFetched writes what a session says as it comes, until either ends. Once
// the head is out there is no status any more to say a fault with.
func (x *exchange) streamFetched() error {
	clear(x.r.Header) // up to 64 KiB, which nobody needs while the request waits
	SetHeader(x.w.Header(), x.dialect.ContentType())
	x.w.WriteHeader(http.StatusOK)
	out := &streamWriter{x.w, http.NewResponseController(x.w)}
	defer out.bound() // the server writes the end of the response
	wrap := newRewrap(x.source.dialect(), x.dialect)
	last, whole := false, true
	for buf := x.preface; out.write(buf) == nil; {
		x.source.done(last)
		if last {
			return nil
		}
		found, err := x.source.next(x.r.Context(), streamPart, streamPing)
		if err != nil {
			return nil
		}
		if buf = wrap.appendAll(buf[:0], found.frames); len(buf) == 0 && whole {
			buf = x.dialect.AppendPing(buf)
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

func (o *streamWriter) bound() { _ = o.control.SetWriteDeadline(time.Now().Add(writeWait)) }

func (o *streamWriter) write(p []byte) error {
	o.bound()
	defer func() { _ = o.control.SetWriteDeadline(time.Time{}) }()
	if _, err := o.w.Write(p); err != nil {
		return err
	}
	return o.control.Flush()
}

// pollFetched answers with what a session says first, or with a ping when it says
// nothing for a while.
func (x *exchange) pollFetched() error {
	clear(x.r.Header) // as above
	wait := PollWait
	if len(x.preface) > 0 {
		wait = 0
	}
	body, last, err := x.gather(x.links.buffer+ackSlack, wait)
	if x.r.Context().Err() != nil {
		return nil // the client is gone
	}
	if err != nil {
		return err
	}
	if len(body) == 0 {
		body = x.dialect.AppendPing(body)
	}
	if x.links.WritePoll(x.w, x.dialect.ContentType(), body) == nil {
		x.source.done(last)
	}
	return nil
}

// gather returns the preface and whole frames behind it.
func (x *exchange) gather(most int, wait time.Duration) (body []byte, last bool, err error) {
	wrap := newRewrap(x.source.dialect(), x.dialect)
	body = x.preface
	for whole := false; !whole; {
		found, err := x.source.next(x.r.Context(), most, wait)
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

// WritePoll writes the answer to a long-poll, in bounded time, and in less when too
// much waits for clients that do not read.
func (l *Links) WritePoll(w http.ResponseWriter, contentType string, body []byte) error {
	SetHeader(w.Header(), contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(pollWriteWait))
	if len(body) >= pollCounted {
		defer l.sessions.HoldAnswer(len(body), func() { _ = control.SetWriteDeadline(time.Now()) })()
	}
	_, err := w.Write(body)
	return err
}
