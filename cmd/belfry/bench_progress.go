package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"belfry/cmd/internal/load"
)

const (
	// progressWidth is the length of the bar.
	progressWidth = 30
	// progressLine is how often a line is written where there is no terminal.
	progressLine = 2 * time.Second
)

// benchProgress shows how far a run is: a bar on a terminal, or a line now and
// then. It is for one goroutine at a time.
type benchProgress struct {
	w        io.Writer
	terminal bool
	phase    string
	last     time.Time // when the last line was written
}

// newBenchProgress writes to standard error: the report alone is on standard output.
func newBenchProgress(w io.Writer) *benchProgress {
	return &benchProgress{w: w, terminal: isTerminal(w)}
}

// isTerminal reports whether somebody may be looking. Any other device, such as
// /dev/null, counts as a terminal, too: nobody reads what is written there.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// show shows how far the run is. On a terminal it overwrites the line (CSI K clears
// the rest of it); elsewhere there is a line for each new phase, and then one every
// progressLine.
func (b *benchProgress) show(p load.Progress) {
	if b.terminal {
		fmt.Fprintf(b.w, "\r%-11s %s %d of %d %s\x1b[K", p.Phase, progressBar(p.Done, p.Total), p.Done, p.Total, p.Unit)
		return
	}
	if p.Phase != b.phase || time.Since(b.last) >= progressLine {
		b.phase, b.last = p.Phase, time.Now()
		fmt.Fprintf(b.w, "%s: %d of %d %s\n", p.Phase, p.Done, p.Total, p.Unit)
	}
}

// progressBar is empty when it is not known how much there is.
func progressBar(done, total int64) string {
	n := 0
	if total > 0 {
		n = int(min(done, total) * progressWidth / total)
	}
	return "[" + strings.Repeat("#", n) + strings.Repeat(".", progressWidth-n) + "]"
}

// clear makes room for the report.
func (b *benchProgress) clear() {
	if b.terminal {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
