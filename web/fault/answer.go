package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
)

// Handler answers a request, or returns the error that is the answer.
type Handler func(http.ResponseWriter, *http.Request) error

// Answerer answers errors, and logs what their public texts leave out.
type Answerer struct{ Logger *slog.Logger }

// Handle makes an [http.Handler] of a handler that returns an error.
func (a Answerer) Handle(f Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			a.Answer(w, r, err)
		}
	}
}

// Answer writes an error as JSON, with the status of its kind.
func (a Answerer) Answer(w http.ResponseWriter, r *http.Request, err error) {
	e := From(err)
	a.Log(e, err, "path", r.URL.Path, "remote", r.RemoteAddr)
	if len(r.Header["Upgrade"]) > 0 {
		w.Header().Set("Connection", "close") // what follows a handshake is no request
	}
	if e.header[0] != "" {
		w.Header().Set(e.header[0], e.header[1])
	}
	if e.header[0] != "Retry-After" && e.Temporary && e.Kind != Internal && e.Kind != Application {
		w.Header().Set("Retry-After", "1")
	}
	WriteJSON(w, e.Kind.Status(), struct {
		Error *Error `json:"error"`
	}{e})
}

// Log logs an error that the world hears of as e, as loud as its kind demands.
func (a Answerer) Log(e *Error, err error, attrs ...any) {
	line := kinds[e.Kind].log
	if line == quiet {
		return
	}
	a.Logger.Log(context.Background(), line.level, line.text, append(attrs, "err", err)...)
}

// WriteJSON answers with a status and a value that JSON can express.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of ours that JSON cannot express
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// AppendString appends a JSON string.
func AppendString(dst []byte, s string) []byte {
	return AppendJSON(dst, s)
}

// AppendJSON appends a value without escaping HTML characters, which matter to
// no client and cost bytes. The value must be one that JSON can express.
func AppendJSON(dst []byte, v any) []byte {
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // a type of ours that JSON cannot express
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
