package logs

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// closeWait is how long Close waits for whoever reads the log.
const closeWait = time.Second

// Options say how lines look, and which there are.
type Options struct {
	Level slog.Level // lines below are left out
	JSON  bool       // JSON objects in place of text
}

// Log is where a server logs. Its logger never blocks, and may be used from several
// goroutines, also after Close, when lines are dropped.
type Log struct {
	*slog.Logger
	lines *queue
	kinds *kinds
}

// New makes a log that is written to out, on a goroutine of its own, until Close.
func New(out io.Writer, o Options) *Log {
	lines := newQueue(out, func(dropped int) []byte { return dropNote(o, dropped) })
	kinds := newKinds(o.handler(lines))
	return &Log{slog.New(bounded{kinds.out, kinds}), lines, kinds}
}

// Close writes what waits, for a second at most: whoever does not read the log keeps
// no process from ending.
func (l *Log) Close() {
	l.kinds.tell()
	l.lines.close(closeWait)
}

// Say writes a text, and waits for that no longer than for a log: whoever does not
// read it holds up nothing.
func Say(out io.Writer, text string) {
	q := newQueue(out, func(int) []byte { return nil })
	_, _ = q.Write([]byte(text)) // it fails by itself
	q.close(closeWait)
}

// handler is the one of slog that writes lines.
func (o Options) handler(w io.Writer) slog.Handler {
	h := slog.HandlerOptions{Level: o.Level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return shortened(a) }}
	if o.JSON {
		return slog.NewJSONHandler(w, &h)
	}
	return slog.NewTextHandler(w, &h)
}

// dropNote is the line about lines that were dropped.
func dropNote(o Options, dropped int) []byte {
	var line lineWriter
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "lines of this log were dropped, because nobody read them", 0)
	r.AddAttrs(slog.Int("count", dropped))
	_ = o.handler(&line).Handle(context.Background(), r) // it cannot fail
	return line
}

// lineWriter keeps what is written.
type lineWriter []byte

func (l *lineWriter) Write(p []byte) (int, error) {
	*l = append(*l, p...)
	return len(p), nil
}
