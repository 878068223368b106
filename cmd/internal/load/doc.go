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
// Clients may have tokens, which say who they are: over the Centrifuge protocol in the
// first command, and over a WebSocket that names its channel in a header. How long it
// takes until each has its channel is measured, too, and what it costs the server.
//
// It shares the machine with what it measures, so it is made to be cheap: one
// goroutine for each connection, frames scanned where they were read (package
// client), and nothing allocated for a message.
//
// # The files, in the order of a run
//
//	options.go, limit_*.go      what is asked for, and whether this process may
//	run.go                      the phases, and closing whatever was opened
//	open.go, parallel.go        opens subscribers, churners and publishers
//	phases.go, progress.go      warms up, loads or idles, and tells how far it is
//	schedule.go, clock.go       when which message is due; pause_*.go sleeps until then
//	publisher.go, path_*.go     sends it, over HTTP or a subscriber's connection
//	template.go, marker.go      what it looks like, and what it says of itself
//	subscriber.go, finder.go    finds that again at the other end, and counts
//	sequence.go, tally.go       what was lost, came twice or late, and how late
//	churn.go, churner.go        connections that join and leave meanwhile
//	stay.go
//	stall.go, stall_*.go        subscribers that stop reading
//	meter.go                    what the server used
//	expect.go, report*.go       what should have come, what came, and the text of it
//	latency.go
//
// A run's parts (subscriber, churner, publisher, tally) are given what they need and
// do not know the run: what a subscriber does can be read in its file.
package load
