package fault

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// bodyWait is how long a body may take to arrive.
	bodyWait = 10 * time.Second
	// lastWait is how long one may take that nobody waits for: the request has been
	// answered, or the server goes down.
	lastWait = time.Second
	// answerWait is how long an answer may take: a long-poll waits for 25 seconds, and
	// a slow client may need as long to take it. Streams set deadlines of their own.
	answerWait = time.Minute
	// mostUnread is how many bytes of a body that nobody wanted are read, so that the
	// connection can serve another request. A longer one costs the connection.
	mostUnread = 256 << 10
)

// Bounded gives the body of every request, and every answer, a time to be done in,
// whatever the handler does with either. When the context ends bodies have a second
// left: a server that goes down does not wait for them.
func Bounded(draining context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A connection without deadlines, as in tests, only does without them.
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(answerWait))
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		in := &awaited{ReadCloser: r.Body, control: control, cut: make(chan struct{})}
		in.expect(bodyWait)
		in.stop = context.AfterFunc(draining, func() {
			defer close(in.cut)
			in.expect(lastWait)
		})
		defer in.settle()
		bounded := *r // the server looks at the body of its own
		bounded.Body = in
		next.ServeHTTP(w, &bounded)
		if r.ProtoMajor == 1 && !in.ended {
			in.discard(w, r)
		}
	})
}

// awaited is the body of a request, which has a time to arrive in. It is for one
// goroutine.
type awaited struct {
	io.ReadCloser
	control *http.ResponseController
	stop    func() bool   // gives up watching for the end of the server
	cut     chan struct{} // closed when that has come
	settled bool
	ended   bool // all of it was read
}

func (b *awaited) expect(within time.Duration) { _ = b.control.SetReadDeadline(time.Now().Add(within)) }

// Read implements [io.Reader]. At the end it takes the deadline back, or the server
// would take the client for gone when it passes.
func (b *awaited) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && !b.ended {
		b.ended = true
		b.settle()
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// settle makes sure that nobody sets a deadline any more: a response is not to be
// used when its handler has returned.
func (b *awaited) settle() {
	if !b.settled && !b.stop() {
		<-b.cut
	}
	b.settled = true
}

// discard reads what a handler has left, as the server would afterwards, and for as
// long as the client likes. It reads no body of a connection that was taken over.
func (b *awaited) discard(w http.ResponseWriter, r *http.Request) {
	if _, err := w.Write(nil); errors.Is(err, http.ErrHijacked) {
		return
	}
	if r.ContentLength > mostUnread {
		b.settle()
		b.expect(lastWait)
		return // the server reads some of it, and closes
	}
	if r.Header.Get("Expect") != "" {
		_ = b.control.Flush() // the client waits for the answer before it sends
	}
	_, _ = io.CopyN(io.Discard, b, mostUnread+1)
}

// ReadBody reads a body of at most so many bytes. The error for one that has more
// names the key of the configuration that sets the limit; without one the limit
// is fixed. The body has the time that [Bounded] gives.
func ReadBody(w http.ResponseWriter, r *http.Request, most int64, key string) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var tooMany *http.MaxBytesError
	switch {
	case errors.As(err, &tooMany):
		return nil, BodyTooLarge(most, key)
	case err != nil:
		return nil, Field("body", "did not arrive whole within "+bodyWait.String())
	}
	return body, nil
}

// BodyTooLarge is the error for a body over a limit, as ReadBody returns it.
func BodyTooLarge(limit int64, key string) *Error {
	if key == "" {
		return Newf(TooLarge, "body: at most %d bytes are accepted here", limit)
	}
	return Newf(TooLarge, "body: at most %d bytes are accepted (%s)", limit, key)
}

// DiscardBody reads a body that is not needed, of at most so many bytes, so that
// the connection can be used for something else.
func DiscardBody(w http.ResponseWriter, r *http.Request, most int64) error {
	_, err := ReadBody(w, r, most, "")
	return err
}

// Decode reads JSON strictly: one JSON object with known fields only.
func Decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return DecodeError(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Field("body", "one JSON object is expected, and nothing behind it")
	}
	return nil
}

// DecodeError says in which field of a body the fault is.
func DecodeError(err error) error {
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType):
		return Field(cmp.Or(wrongType.Field, "body"), expected(wrongType.Type)+" is expected")
	case errors.Is(err, io.EOF):
		return Field("body", "a JSON object is expected, and there is nothing")
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return Field(strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`), "is not a field of this call")
	}
	return Field("body", "a JSON object is expected: "+strings.TrimPrefix(err.Error(), "json: "))
}

// expected names in JSON's words what can be read into a Go type.
func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		return "a whole number, not below 0,"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	}
	return "a JSON object"
}

// MaxDepth is how many levels of arrays and objects a JSON value may have, inclusive.
// It is fixed: parsers of clients give up, or fall over, on what nests without end.
const MaxDepth = 64

var (
	errNotJSON = errors.New("one JSON value in valid UTF-8 is expected")
	errTooDeep = fmt.Errorf("at most %d levels of arrays and objects are accepted", MaxDepth)
)

// Compact returns a JSON value without white space between its parts. JSON in
// invalid UTF-8 is refused, because a WebSocket text frame could not carry it, and so
// is what has more than [MaxDepth] levels. The error is a rule for [Field].
func Compact(data []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(data))
	if !utf8.Valid(data) || json.Compact(&b, data) != nil {
		return nil, errNotJSON
	}
	if isDeep(b.Bytes()) {
		return nil, errTooDeep
	}
	return b.Bytes(), nil
}

// isDeep reports whether JSON has too many levels. Counting brackets is a fraction of
// the price of following them, and nearly all JSON has no more of them.
func isDeep(text []byte) bool {
	if bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("[")) <= MaxDepth {
		return false
	}
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && inString:
			i++ // whatever it is, it does not end the string
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
