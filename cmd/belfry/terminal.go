package main

import "io"

// terminal is where a command reads and writes, and finds its environment.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
}
