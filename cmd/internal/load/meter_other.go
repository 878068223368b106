//go:build !linux

package load

import "errors"

var errNoProc = errors.New("the server's CPU time and memory can be measured on Linux only: leave out --pid")

func cpuTime(int) (int64, error) { return 0, errNoProc }

func residentMemory(int) (now, peak int64, err error) { return 0, 0, errNoProc }
