// Package page has the browser side: the pages, and the scripts that they and
// other sites load. Everything is embedded in the binary; there is no build step.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"time"

	"belfry/web/fault"
)

// assets is the whole browser side. It needs no build step.
//
//go:embed static
var assets embed.FS

// contentSecurityPolicy lets a page load what this server serves and nothing
// else. Sockets may go to any host, by HTTP too, because the echo lab lets its
// user name one.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self' ws: wss: http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// File serves one file of the assets. It panics when there is no such file, which a
// test of the routes shows.
func File(name string) http.HandlerFunc {
	content, err := fs.ReadFile(assets, "static/"+name)
	if err != nil {
		panic(err)
	}
	return func(w http.ResponseWriter, r *http.Request) { Serve(w, r, name, content) }
}

// ErrNotFound is for a path at which there is nothing.
var ErrNotFound = fault.New(fault.NotFound, "there is nothing here; / says what there is")

// Static serves the files that the pages refer to, by name.
func Static(w http.ResponseWriter, r *http.Request, name string) error {
	content, err := fs.ReadFile(assets, "static/"+name)
	if err != nil {
		return ErrNotFound
	}
	Serve(w, r, name, content)
	return nil
}

// Serve answers with a file that browsers ask for again each time, and get
// again only when it has changed.
func Serve(w http.ResponseWriter, r *http.Request, name string, content []byte) {
	sum := sha256.Sum256(content)
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Etag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if name == "belfry.js" || name == "belfry.mjs" || name == "websocket.js" {
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("Access-Control-Allow-Origin", "*") // other sites load them too
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}
