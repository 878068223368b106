// Package load loads a server of channels and measures what comes back: it opens
// many subscribers over WebSocket or HTTP, publishes at a steady rate, and follows
// the numbers of the messages that each subscriber gets.
//
// It speaks the wire and knows no server: the channel's messages as plain text,
// or the Centrifuge protocol in JSON, and a publish call as Centrifugo has it. Only
// the transports over HTTP are Belfry's own.
//
// A message carries the time at which it was due, not the one at which it was
// sent, so that a server which makes publishers wait does not look fast.
//
// It shares the machine with what it measures, so it is made to be cheap: one
// goroutine for each connection, frames scanned where they were read, and
// nothing allocated for a message.
package load
