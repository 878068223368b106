package logs

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// perSecond is how many lines of a kind are written in a second, and
	// debugPerSecond how many of those that only somebody who looks closely sees.
	perSecond      = 10
	debugPerSecond = 1000
	// maxKinds is how many kinds there are. More are one kind together.
	maxKinds = 256
	// maxValue is how many bytes of a value are written, and maxStack how many of one
	// with the key StackKey.
	maxValue = 512
	maxStack = 4 << 10
)

// StackKey is the key of the stack of a goroutine, which no stranger chooses.
const StackKey = "stack"

// kind is what lines have in common that say the same of different things.
type kind struct {
	level   slog.Level
	message string
}

// kinds counts lines. It is safe for several goroutines.
type kinds struct {
	out slog.Handler

	mu  sync.Mutex // guards what follows
	all map[kind]*window
}

// window is the second that began with the first line of a kind.
type window struct {
	begin   time.Time
	written int
	left    int // lines that were left out
}

func newKinds(out slog.Handler) *kinds { return &kinds{out: out, all: make(map[kind]*window)} }

// take reports whether one more line of a kind may be written. Of one that may not, a
// line tells when its second is over.
func (k *kinds) take(of kind) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	w := k.all[of]
	if w == nil && len(k.all) >= maxKinds {
		of = kind{of.level, "other lines"}
		w = k.all[of]
	}
	if w == nil {
		w = &window{}
		k.all[of] = w
	}
	if w.left == 0 && now.Sub(w.begin) >= time.Second {
		*w = window{begin: now}
	}
	if w.written < of.most() {
		w.written++
		return true
	}
	if w.left++; w.left == 1 {
		time.AfterFunc(time.Second-now.Sub(w.begin), func() { k.tellOf(of, w) })
	}
	return false
}

// most is how many lines a second may have.
func (k kind) most() int {
	if k.level < slog.LevelInfo {
		return debugPerSecond
	}
	return perSecond
}

// tellOf ends a second in which lines were left out.
func (k *kinds) tellOf(of kind, w *window) {
	k.mu.Lock()
	left := w.left
	*w = window{}
	k.mu.Unlock()
	if left == 0 {
		return
	}
	r := slog.NewRecord(time.Now(), of.level, of.message, 0)
	r.AddAttrs(slog.Int("left_out", left))
	_ = k.out.Handle(context.Background(), r) // the queue takes it
}

// tell tells of all lines that were left out.
func (k *kinds) tell() {
	k.mu.Lock()
	all := make(map[kind]*window, len(k.all))
	for of, w := range k.all {
		all[of] = w
	}
	k.mu.Unlock()
	for of, w := range all {
		k.tellOf(of, w)
	}
}

// bounded is a handler that leaves out lines of which there are too many.
type bounded struct {
	slog.Handler
	kinds *kinds
}

// Handle implements [slog.Handler].
func (b bounded) Handle(ctx context.Context, r slog.Record) error {
	if !b.kinds.take(kind{r.Level, r.Message}) {
		return nil
	}
	return b.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (b bounded) WithAttrs(attrs []slog.Attr) slog.Handler {
	return bounded{b.Handler.WithAttrs(attrs), b.kinds}
}

// WithGroup implements [slog.Handler].
func (b bounded) WithGroup(name string) slog.Handler {
	return bounded{b.Handler.WithGroup(name), b.kinds}
}

// shortened is an attribute of which no value is long, whoever chose it.
func shortened(a slog.Attr) slog.Attr {
	most := maxValue
	if a.Key == StackKey {
		most = maxStack
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(short(a.Value.String(), most))
	case slog.KindAny:
		if text := fmt.Sprint(a.Value.Any()); len(text) > most {
			a.Value = slog.StringValue(short(text, most))
		}
	}
	return a
}

// short is the begin of a long text, and how many bytes more there were.
func short(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…+" + strconv.Itoa(len(text)-end)
}
