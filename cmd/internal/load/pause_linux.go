package load

import (
	"syscall"
	"time"
)

// coarse is how late Go's timers may be: the runtime waits in whole milliseconds
// when it has nothing else to do.
const coarse = 1500 * time.Microsecond

// pauseExactly sleeps for less than coarse, to some tens of microseconds.
func pauseExactly(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // too early when interrupted: the caller looks at the clock
}
