package web

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// bodyWait is how long a body may take to arrive.
const bodyWait = 10 * time.Second

// readBody reads a body of at most so many bytes; large is the error for one that
// has more.
func readBody(w http.ResponseWriter, r *http.Request, most int64, large *apiError) ([]byte, error) {
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
		return nil, large
	case err != nil:
		return nil, badRequest("body", "did not arrive whole within "+bodyWait.String())
	}
	return body, nil
}

// readLimited reads a body whose limit is fixed.
func readLimited(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	return readBody(w, r, most, bodyTooLarge(most))
}

// discardBody reads a body that is not needed, so that the connection can be used
// for something else.
func discardBody(w http.ResponseWriter, r *http.Request, most int64) error {
	_, err := readLimited(w, r, most)
	return err
}
