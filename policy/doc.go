// Package policy makes and serves Flash socket policy files.
//
// Flash Player opens no socket before the host at the other end has said that
// it may. It asks on port 843 of that host, and failing that on the port it
// wants: it sends "<policy-file-request/>" and a NUL byte, and wants an XML
// document and a NUL byte in return. The document lists who may connect and to
// which ports. "Who" is the host the movie was loaded from, not the page's.
//
// A [Policy] is such a document, checked and built once by [New]. [Listen] and
// [Server.Run] serve it on a port of its own; [Policy.Answer] serves it on one
// connection that another listener accepted, and a [Matcher] tells that listener
// whether the first bytes of a connection are a policy request at all. [Inline] is
// such a listener, for a port that serves HTTP.
//
// What the package promises:
//
//   - Nothing is granted that the list does not name. The empty list grants
//     nothing and is still a well-formed answer, so that a player need not wait
//     for its time limit.
//   - A reply ends with exactly one NUL and is not lost to a reset: the sending
//     side is closed first, then what the client still had to say is read, within
//     limits.
//   - A client costs at most 32 bytes read, one goroutine and the deadline, 3
//     seconds by default. There are at most so many clients at a time, 1,024 by
//     default; one more is closed at once. Anything but a request is closed
//     without an answer.
//
// A granted connection proves nothing about its sender: a policy file binds Flash
// Player, not the programs that are not Flash Player.
package policy
