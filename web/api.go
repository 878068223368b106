package web

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// bodyWait is how long a body may take to arrive.
	bodyWait = 10 * time.Second
	// apiWait bounds what a call asks of the broker, so that a publisher hears
	// within two seconds that it is away.
	apiWait = 1800 * time.Millisecond
)

// api turns a call of the HTTP API into a handler: it checks the key and the
// size of the body, and wraps the result as {"result": …}. Calls are those of
// Centrifugo's server API.
func (s *Server) api(call func(*http.Request, []byte) (any, error)) http.HandlerFunc {
	return s.handle(func(w http.ResponseWriter, r *http.Request) error {
		if !s.authorized(r) {
			return errUnauthorized
		}
		body, err := s.readBody(w, r)
		if err != nil {
			return err
		}
		result, err := call(r, body)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, map[string]any{"result": result})
		return nil
	})
}

// authorized compares the key of a request in constant time, also for keys of
// another length.
func (s *Server) authorized(r *http.Request) bool {
	key := r.Header.Get("X-API-Key")
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "apikey") {
		key = rest
	}
	sum := sha256.Sum256([]byte(key))
	return s.hasAPIKey && subtle.ConstantTimeCompare(sum[:], s.apiKey[:]) == 1
}

func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// A connection without deadlines, as in tests, only does without this one.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWait))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.limits.Body))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, tooLarge(s.limits.Body)
	case err != nil:
		return nil, badRequest("body", "did not arrive whole within "+bodyWait.String())
	}
	return body, nil
}

// decode reads a call strictly: one JSON object with known fields only.
func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return decodeError(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return badRequest("body", "one JSON object is expected, and nothing behind it")
	}
	return nil
}

// decodeError says in which field of a body the fault is.
func decodeError(err error) error {
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType):
		return badRequest(strings.TrimSuffix("body."+wrongType.Field, "."), "a "+wrongType.Value+" is not accepted here")
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return badRequest(strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`), "is not a field of this call")
	}
	return badRequest("body", "a JSON object is expected: "+strings.TrimPrefix(err.Error(), "json: "))
}
