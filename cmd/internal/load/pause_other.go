//go:build !linux

package load

import "time"

// coarse is for how long [pauseExactly] is asked to sleep: not at all.
const coarse = 0

func pauseExactly(time.Duration) {}
