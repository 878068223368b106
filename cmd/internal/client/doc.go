// Package client is the client's side of the wire for programs that open thousands
// of connections to a server and measure it. It shares the machine with what it
// measures, so it is made to be cheap: frames are scanned where they were read,
// nothing is allocated for a message, and a connection starts no goroutine: its user
// has one that receives.
//
// # The files, in the order in which a connection meets them
//
//	dial.go            a connection to the server, from one of several addresses
//	handshake.go       WebSocket (RFC 6455) asked for and granted
//	conn.go            reads, and hands what is whole to a Listener
//	frame.go           a WebSocket's bytes
//	transport.go       the other ways down, which are Belfry's own
//	session.go         a session over HTTP: its requests
//	session_lines.go   its bytes: heads of responses and lines of their bodies
//	acknowledger.go    says for all sessions over HTTP what they have got
//	upstream.go        the connections that carry it
//
// It knows no protocol: a message is a text, whose meaning is for the [Listener].
package client
