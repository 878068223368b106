// Package raw is the protocol of plain text, for clients that speak none: a
// channel's messages come as they are, and what the client says is published
// ([Channel]), or comes back to it ([Echo]). It goes over every transport, also
// those from before RFC 6455.
package raw
