//go:build unix

package load

import (
	"fmt"
	"syscall"
)

// spareDescriptors is how many descriptors are needed besides the connections.
const spareDescriptors = 64

// checkDescriptors says what is needed when the process may not have so many
// descriptors. Go has raised the soft limit to the hard one already.
func checkDescriptors(connections int) error {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return nil
	}
	return descriptorError(connections+spareDescriptors, uint64(limit.Cur))
}

// descriptorError is nil when the limit is enough; else it says how to raise it.
func descriptorError(need int, limit uint64) error {
	if uint64(need) <= limit {
		return nil
	}
	return fmt.Errorf("%d file descriptors are needed, one for each connection, and this process may have %d: "+
		"raise the limit with ulimit -n %d (as root beyond the hard limit, ulimit -Hn), or ask for fewer subscribers; "+
		"the server needs as many", need, limit, need)
}
