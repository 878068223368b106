// Package process tells what another process of this machine uses, for measuring
// a server from outside: nothing is asked of the server itself, and a server that
// knows nothing of it can be measured as well.
//
// It reads /proc, and so it works on Linux only. Elsewhere every call is an error
// that says so.
package process

import "time"

// Usage is what a process has used since it began, and has now.
type Usage struct {
	CPU        time.Duration // user and system time of all threads, in steps of 10 ms
	Memory     int64         // bytes that are resident
	MemoryPeak int64         // the most bytes that ever were
}

// Read returns the usage of a process; the error says that there is none with
// this number, or that it cannot be measured. It may be called from several
// goroutines.
func Read(pid int) (Usage, error) { return read(pid) }
