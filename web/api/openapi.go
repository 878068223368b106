package api

import _ "embed"

// Document describes the API (OpenAPI 3.1). A test holds it against what the server
// answers. There is nothing secret in it.
//
//go:embed openapi.yaml
var Document []byte
