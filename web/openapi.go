package web

import (
	_ "embed"
	"net/http"
)

// openAPIDocument describes the server API (OpenAPI 3.1). A test holds it
// against what the server answers.
//
//go:embed openapi.yaml
var openAPIDocument []byte

// openAPI needs no key: there is nothing secret in it.
func (s *Server) openAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	serveAsset(w, r, "openapi.yaml", openAPIDocument)
}
