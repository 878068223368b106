// Package centrifuge has what is said in the Centrifuge protocol in JSON, as its
// clients see it (centrifugal/protocol, definitions/client.proto): belfry subscribe,
// and the connections that load and follow a server. It is the part of the protocol
// that these need, written apart from the server's own types, so that a fault in
// those shows.
//
// A frame of either side is one JSON object or several, one on a line. A client
// says a [Command], and the server a [Reply], which answers the command with the
// same ID or is a [Push] that nobody asked for. The line {} is a ping of the server:
// who got pong with the answer to connect has to send the same line back.
//
// It has types and no connection: belfry subscribe wants one that gets through
// proxies and comes back, and the load one that costs nothing.
package centrifuge
