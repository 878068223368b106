// Package api is the HTTP API of the backend: the calls of Centrifugo's server API
// (centrifugal/centrifugo, internal/apiproto/api.proto), in JSON.
//
// api.go has the table of calls; adding one is a line there and a function that
// takes the decoded body. cluster.go asks all nodes for those that are about more
// than one; openapi.yaml describes it all, and a test holds it against the answers.
package api
