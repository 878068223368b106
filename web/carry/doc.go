// Package carry has sessions over HTTP.
//
// A [Link] is the transport of such a session: it outlives its requests. Each
// request that brings what the session says is an exchange; while it lasts, it is
// the link's carrier, and what the client has not acknowledged waits in the link's
// backlog for the next. What the client says arrives in requests of its own.
//
//	serve.go     the requests of websocket.js, and what each becomes
//	links.go     the links of this node, and what happens to them with time
//	link.go      one link: its states, its carrier, its end
//	backlog.go   what waits for the client
//	exchange.go  one request: the answers of streams and polls
//	stream.go    a carrier that writes to a connection that was taken over
//	fetch.go     a carrier that fetches, for all other requests
//	upstream.go  what the client says
//	remote.go    requests of links that another node has
//	dialect.go   how lines look, which a protocol may bring along
//	lines.go     the lines of websocket.js
//
// Protocols with streams of their own open links by [Links.Open] and answer with
// [Link.Stream].
package carry
