package main

import "io"

// terminal is where a command reads and writes, and finds its environment. Nothing
// else of the process is used, so that tests run commands beside one another.
type terminal struct {
	in       io.Reader
	out, err io.Writer // what was asked for, and what is said about it
	environ  []string  // NAME=value, as of os.Environ
}
