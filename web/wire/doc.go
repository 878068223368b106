// Package wire holds what Belfry puts on the network below every protocol:
// WebSocket frames as finished bytes, and [Conn], a connection whose writes
// never block.
//
// A frame is made once and shared by every connection that it goes to, so
// [Conn.Send] keeps slices without copying them. Only when a socket does not
// take all of a frame does anything more than one system call happen: the rest
// waits in a bounded buffer, and a goroutine flushes it for as long as there is
// something to flush.
package wire
