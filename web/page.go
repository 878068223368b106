package web

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

var errNotFound = fault.New(fault.NotFound, "there is nothing here; / says what there is")

// assets is the whole browser side. It needs no build step.
//
//go:embed static
var assets embed.FS

// contentSecurityPolicy lets a page load what this server serves and nothing
// else. Sockets may go to any host, by HTTP too, because the echo lab lets its
// user name one.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self' ws: wss: http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves one file of the assets. It panics when there is no such file,
// which a test of the routes shows.
func page(name string) http.HandlerFunc {
	content, err := fs.ReadFile(assets, "static/"+name)
	if err != nil {
		panic(err)
	}
	return func(w http.ResponseWriter, r *http.Request) { serveAsset(w, r, name, content) }
}

// static serves the files that the pages refer to.
func (s *Server) static(w http.ResponseWriter, r *http.Request) error {
	name, err := pathValue(r, "file")
	if err != nil {
		return err
	}
	content, err := fs.ReadFile(assets, "static/"+name)
	if err != nil {
		return errNotFound
	}
	serveAsset(w, r, name, content)
	return nil
}

// serveAsset answers with a file that browsers ask for again each time, and get
// again only when it has changed.
func serveAsset(w http.ResponseWriter, r *http.Request, name string, content []byte) {
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
