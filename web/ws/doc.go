// Package ws has the WebSocket transports: RFC 6455 by melody, with versions 7 and
// 8 of the protocol, which are the same on the wire (websocket.go), and the drafts
// hixie-75 and hixie-76 (hixie.go). draft.go tells by a request which one a client
// speaks; the answers to their handshakes are in handshake_masked.go and
// handshake_hixie.go. Whatever the draft, the connection is taken over and written
// to through [belfry/web/wire.Conn], and what the client says goes to
// [belfry/web/session.Session.Receive].
package ws
