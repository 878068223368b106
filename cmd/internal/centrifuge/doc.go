// Package centrifuge has the messages of the Centrifuge protocol in JSON, as its
// clients see them (centrifugal/protocol, definitions/client.proto). The clients are
// belfry subscribe and the connections that load and follow a server, and the types
// have what these need. They are not the server's own types, in which a fault would
// be a fault of both sides and not show.
//
// A frame of either side is one JSON object or several, one on a line. A client
// says a [Command], and the server a [Reply], which answers the command with the
// same ID or is a [Push] that nobody asked for. The line {} is a ping of the server,
// which wants the same line back if the answer to connect has said pong.
//
// It has no connection: belfry subscribe needs one that gets through proxies, and the
// load one that costs next to nothing.
package centrifuge
