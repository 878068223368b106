//go:build !linux

package process

import "errors"

var errNoProc = errors.New("the server's CPU time and memory can be measured on Linux only: leave out --pid")

func read(int) (Usage, error) { return Usage{}, errNoProc }
