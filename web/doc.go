// Package web is everything that speaks to clients: the routes, the HTTP API,
// the pages, and sessions.
//
// A session joins a transport, which is how bytes travel, to a protocol, which
// is what they say; neither knows the other. Each session is a subscriber of
// the hub. What comes in is checked here and handed to [belfry/hub.Hub.Publish];
// nothing in this package writes a published message to anybody but through the
// hub. The one exception is the echo, which answers its own session.
//
// A session over HTTP is carried by one request after another, and what its
// client has not acknowledged is kept for the next. Any node takes any of its
// requests, and passes on those of another's.
package web
