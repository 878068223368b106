//go:build unix

package main

import (
	"os"
	"syscall"
)

// reloadSignals are sent to make a server read its configuration or open its log again.
var reloadSignals = []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
