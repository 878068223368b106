// Package centrifuge is the client protocol of Centrifuge and Centrifugo, in JSON
// (centrifugal/protocol, definitions/client.proto): commands with an ID up, replies
// and pushes down, several of each in a frame, one on a line.
//
//	server.go     what all sessions share, and the endpoints
//	protocol.go   one session: frames, commands, their order
//	commands.go   commands, replies and results, as they travel
//	connect.go, subscribe.go, history.go, presence.go, rpc.go  the commands
//	push.go       messages as pushes, encoded once for all that share a framing
//	codes.go      codes of errors and of closes
//	emulation.go  the protocol over its own kind of HTTP requests
//	dialect.go    how lines look there
//
// The HTTP API answers with the same results ([belfry/web/api]).
package centrifuge
