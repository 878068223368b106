package fault

import (
	"errors"
	"io"
	"net/http"
	"time"
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
