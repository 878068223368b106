package logs

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// maxWaiting is how many bytes of lines wait for the reader of a log at most: some
// thousand lines.
const maxWaiting = 1 << 20

// queue hands lines to a writer that may block, on a goroutine of its own. Write never
// blocks, and may be called from several goroutines.
type queue struct {
	out  io.Writer
	note func(dropped int) []byte // the line about what was dropped
	more chan struct{}            // has room for one: there is something to do
	done chan struct{}            // closed when the goroutine has ended

	mu      sync.Mutex // guards what follows
	waiting []byte
	dropped int // lines since the last note
	closed  bool
}

func newQueue(out io.Writer, note func(int) []byte) *queue {
	q := &queue{out: out, note: note, more: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run() // until close, which waits for it
	return q
}

// Write takes one line, or drops and counts it.
func (q *queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	if q.closed || len(q.waiting)+len(line) > maxWaiting {
		q.dropped++
	} else {
		q.waiting = append(q.waiting, line...)
	}
	q.mu.Unlock()
	q.wake()
	return len(line), nil
}

func (q *queue) wake() {
	select {
	case q.more <- struct{}{}:
	default: // the goroutine will look anyway
	}
}

// run writes until the queue is closed and empty.
func (q *queue) run() {
	defer close(q.done)
	var lines []byte
	for range q.more {
		var dropped int
		var ended bool
		if lines, dropped, ended = q.take(lines); len(lines) > 0 || dropped > 0 {
			q.write(lines, dropped)
		}
		if ended {
			return
		}
	}
}

// take returns the lines that wait, in place of an older slice of them, and how many do
// not wait any more.
func (q *queue) take(old []byte) (lines []byte, dropped int, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	lines, q.waiting = q.waiting, old[:0]
	dropped, q.dropped = q.dropped, 0
	return lines, dropped, q.closed
}

// write writes lines and a note of others, or counts all of them as dropped.
func (q *queue) write(lines []byte, dropped int) {
	if dropped > 0 {
		lines = append(lines[:len(lines):len(lines)], q.note(dropped)...)
	}
	if _, err := q.out.Write(lines); err != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.dropped += dropped + bytes.Count(lines, []byte("\n"))
		if dropped > 0 {
			q.dropped-- // the note
		}
	}
}

// close writes what waits and ends the goroutine, or leaves it to the end of the
// process when writing takes longer.
func (q *queue) close(wait time.Duration) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-q.done:
	case <-timer.C:
	}
}
