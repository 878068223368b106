//go:build !unix

package main

import (
	"os"
	"syscall"
)

// reloadSignals are sent to make a server read its configuration again.
var reloadSignals = []os.Signal{syscall.SIGHUP}
