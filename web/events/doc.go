// Package events is /events: an event stream for EventSource, or with "Accept:
// application/json" a long-poll, on up to 32 channels. What a client has heard is a
// cursor, and nothing of it is kept here between two requests: any node can go on.
//
//	server.go   what a request wants
//	stream.go   the protocol of an event stream, which is a session
//	poll.go     one long-poll, which is none
//	cursor.go   positions in several channels, as they travel
//	dialect.go  how events look
package events
