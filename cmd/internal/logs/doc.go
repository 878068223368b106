// Package logs writes what a server has to say, in a way that can neither stop it nor
// fill a disk. Three things are between a logger and standard error:
//
//   - bound.go: a line of one kind comes a few times a second; of the rest is told how
//     many there were. Values are shortened.
//   - queue.go: nobody waits for whoever reads the log. What does not fit into the
//     queue is dropped, and how much that was is told when there is room again.
//   - logs.go: the format.
package logs
