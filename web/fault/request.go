package fault

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// bodyWait is how long a body may take to arrive.
const bodyWait = 10 * time.Second

// ReadBody reads a body of at most so many bytes. The error for one that has more
// names the key of the configuration that sets the limit; without one the limit
// is fixed.
func ReadBody(w http.ResponseWriter, r *http.Request, most int64, key string) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	// A connection without deadlines, as in tests, only does without this one. It
	// is taken back, or the server would take the client for gone when it passes.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyWait))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	_ = control.SetReadDeadline(time.Time{})
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

var errNotJSON = errors.New("not valid JSON")

// Compact returns a JSON value without white space between its parts. JSON in
// invalid UTF-8 is refused: a WebSocket text frame could not carry it.
func Compact(data []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(data))
	if !utf8.Valid(data) || json.Compact(&b, data) != nil {
		return nil, errNotJSON
	}
	return b.Bytes(), nil
}
