package hubtest

import (
	"bytes"
	"io"
	"net/http"
)

// maxWhole is the largest body that WholeBodies reads, in bytes.
const maxWhole = 8 << 20

// WholeBodies reads the body of each request before it hands it on. A
// [httputil.ReverseProxy] needs that: one that still looks for the end of a body
// when the answer begins takes this for a fault, and cuts the answer off.
func WholeBodies(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWhole))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if len(body) > 0 {
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		h.ServeHTTP(w, r)
	})
}
