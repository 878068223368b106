package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// contentSecurityPolicy lets a page load what this server serves and nothing
// else. Sockets may go to any host, by HTTP too, because the echo lab lets its
// user name one.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self' ws: wss: http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Content is a file that does not change, as it is served. Its methods are safe for
// several goroutines.
type Content struct {
	name   string
	plain  form
	zipped func() form // made when it is first asked for
}

// form is one way in which a file travels.
type form struct {
	bytes    []byte
	encoding string // empty: as it is
	etag     string
}

func newForm(text []byte, encoding string) form {
	sum := sha256.Sum256(text)
	return form{text, encoding, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// NewContent makes a file of the given name, whose end tells its type.
func NewContent(name string, text []byte) *Content {
	plain := newForm(text, "")
	return &Content{name, plain, sync.OnceValue(func() form {
		if zipped := zip(text); len(zipped) < len(text) {
			return newForm(zipped, "gzip")
		}
		return plain // a small one grows
	})}
}

// zip compresses.
func zip(text []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(text)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

// ServeHTTP answers with the file, which browsers ask for again each time, and get
// again only when it has changed. It is compressed for those who take that.
func (c *Content) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	switch c.name {
	case "belfry.js", "belfry.mjs", "websocket.js":
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("Access-Control-Allow-Origin", "*") // other sites load them too
	case "openapi.yaml":
		h.Set("Content-Type", "application/yaml")
	}
	served := c.plain
	if takesGzip(r.Header) {
		served = c.zipped()
	}
	h.Set("Etag", served.etag)
	if served.encoding != "" {
		h.Set("Content-Encoding", served.encoding)
		if r.Header.Get("Range") == "" {
			h.Set("Content-Length", strconv.Itoa(len(served.bytes))) // net/http does not know that it is ours
		}
	}
	http.ServeContent(w, r, c.name, time.Time{}, bytes.NewReader(served.bytes))
}

// takesGzip reports whether a client takes what is compressed (RFC 9110, section
// 12.5.3). One that says nothing may be a program that does not.
func takesGzip(h http.Header) bool {
	for item := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		_, q, weighed := strings.Cut(weight, "=")
		value, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
		return !weighed || err == nil && value > 0
	}
	return false
}
