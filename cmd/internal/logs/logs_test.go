package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// inBubble logs in a bubble, and returns what was written until Close.
func inBubble(t *testing.T, o Options, say func(*Log)) (lines []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := New(&out, o)
		say(l)
		l.Close()
		lines = strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	})
	return lines
}

// TestFlood logs a thousand lines of one kind in ten seconds, and a few of others.
func TestFlood(t *testing.T) {
	lines := inBubble(t, Options{}, func(l *Log) {
		for i := range 1000 {
			l.With("a", "b").Info("flood", "i", i)
			if i%100 == 0 {
				l.Warn("flood", "i", i) // of another level
				l.WithGroup("g").Info("drop", "i", i)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	var written, told int
	for _, line := range lines {
		var n int
		if _, text, ok := strings.Cut(line, "left_out="); ok {
			_, _ = fmt.Sscan(text, &n)
			told += n
		} else if strings.Contains(line, "level=INFO msg=flood") {
			written++
		}
	}
	if written < 90 || written > 110 || told != 1000-written {
		t.Errorf("%d lines, and %d were told to be left out of 1000", written, told)
	}
	all := strings.Join(lines, "\n")
	if n := strings.Count(all, "level=WARN msg=flood i="); n != 10 {
		t.Errorf("%d lines of another level, want 10", n)
	}
	if n := strings.Count(all, "msg=drop g.i="); n != 10 {
		t.Errorf("%d lines of another kind, want 10", n)
	}
	if len(lines) > 140 {
		t.Errorf("%d lines in all", len(lines))
	}
}

// TestLastCount closes a log in the second in which lines were left out.
func TestLastCount(t *testing.T) {
	lines := inBubble(t, Options{}, func(l *Log) {
		for range 25 {
			l.Info("flood")
		}
	})
	if last := lines[len(lines)-1]; len(lines) != 11 || !strings.HasSuffix(last, "msg=flood left_out=15") {
		t.Errorf("%d lines, the last is %q", len(lines), last)
	}
}

// TestManyKinds logs more kinds of lines than are told apart.
func TestManyKinds(t *testing.T) {
	lines := inBubble(t, Options{}, func(l *Log) {
		for i := range 10_000 {
			l.Info(fmt.Sprint("kind ", i))
		}
	})
	if len(lines) > maxKinds+perSecond+1 {
		t.Errorf("%d lines of as many kinds in a second", len(lines))
	}
}

// TestLongValues logs what strangers choose: long texts, errors, and what is no text.
func TestLongValues(t *testing.T) {
	long := strings.Repeat("é\x00", 20_000)
	for _, o := range []Options{{}, {JSON: true}} {
		lines := inBubble(t, o, func(l *Log) {
			l.Info("text", "path", long)
			l.Info("error", "err", errors.New(long))
			l.Info("bytes", "data", []byte(long))
			l.Info("value", "data", map[string]string{"a": long})
			l.With("path", long).Info("before")
			l.Info("group", slog.Group("g", "path", long))
			l.Info(long)
			l.Error("panic", StackKey, long)
		})
		for _, line := range lines {
			if most := 2500; len(line) > most && !strings.Contains(line, "stack") || len(line) < 200 || !utf8.ValidString(line) {
				t.Errorf("%+v: a line of %d bytes: %.300s", o, len(line), line)
			}
			if !strings.Contains(line, "…+") {
				t.Errorf("%+v: nothing says how much is missing: %s", o, line)
			}
		}
		if len(lines) != 8 {
			t.Errorf("%+v: %d lines", o, len(lines))
		}
	}
	short := strings.Repeat("x", maxValue)
	if lines := inBubble(t, Options{}, func(l *Log) { l.Info("m", "a", short, "n", 1, "e", errors.New("x")) }); !strings.HasSuffix(lines[0], " a="+short+" n=1 e=x") {
		t.Errorf("a short line is %q", lines[0])
	}
}

func TestLevelsAndFormats(t *testing.T) {
	say := func(l *Log) {
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			l.Log(t.Context(), level, "m")
		}
	}
	for level, want := range map[slog.Level]int{slog.LevelDebug: 4, slog.LevelInfo: 3, slog.LevelWarn: 2, slog.LevelError: 1} {
		lines := inBubble(t, Options{Level: level, JSON: true}, say)
		for _, line := range lines {
			var v struct{ Time, Level, Msg string }
			if err := json.Unmarshal([]byte(line), &v); err != nil || v.Msg != "m" || v.Time == "" {
				t.Errorf("%q: %v", line, err)
			}
		}
		if len(lines) != want {
			t.Errorf("%v: %d lines, want %d", level, len(lines), want)
		}
	}
}

// stalled is a reader of the log that stops, and goes on when it is told to.
type stalled struct {
	goOn chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
	err error
}

func (s *stalled) Write(p []byte) (int, error) {
	<-s.goOn
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.out.Write(p)
}

// TestStalledReader logs more than is kept for a reader that has stopped. Nothing
// waits for it; when it goes on it has what was kept, and the count of what was not.
func TestStalledReader(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &stalled{goOn: make(chan struct{})}
			l := New(s, Options{JSON: asJSON})
			line := []byte(strings.Repeat("x", 1023) + "\n")
			for range 3000 {
				_, _ = l.lines.Write(line)
			}
			close(s.goOn)
			synctest.Wait()
			l.Info("again")
			l.Close()
			kept := strings.Count(s.out.String(), string(line))
			want := fmt.Sprintf("count=%d\n", 3000-kept)
			if asJSON {
				want = fmt.Sprintf(`"count":%d}`, 3000-kept)
			}
			if kept > 2*1024 || kept < 1024 || !strings.Contains(s.out.String(), want) || !strings.Contains(s.out.String(), "again") {
				t.Errorf("%d lines were kept, and the rest is %q; want %q", kept, strings.ReplaceAll(s.out.String(), string(line), ""), want)
			}
		})
	}
}

// TestClosedReader logs to a reader that is gone, or a disk that is full, and is not
// later.
func TestClosedReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stalled{goOn: make(chan struct{}), err: os.ErrClosed}
		close(s.goOn)
		l := New(s, Options{})
		for range 3 {
			l.Info("lost")
			synctest.Wait()
		}
		s.mu.Lock()
		s.err = nil
		s.mu.Unlock()
		l.Info("again")
		l.Close()
		if got := s.out.String(); strings.Contains(got, "lost") || !strings.Contains(got, "again") || !strings.Contains(got, "count=3\n") {
			t.Errorf("got %q", got)
		}
	})
}

// TestCloseDoesNotWait closes a log that nobody reads.
func TestCloseDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stalled{goOn: make(chan struct{})}
		l := New(s, Options{})
		l.Info("hello")
		begin := time.Now()
		l.Close()
		l.Info("after the end")
		if took := time.Since(begin); took != closeWait {
			t.Errorf("it took %v, want %v", took, closeWait)
		}
		begin = time.Now()
		Say(s, "hello")
		if took := time.Since(begin); took != closeWait {
			t.Errorf("Say took %v, want %v", took, closeWait)
		}
		close(s.goOn)
	})
}

// TestManyLoggers logs from many goroutines.
func TestManyLoggers(t *testing.T) {
	var out bytes.Buffer
	l := New(&out, Options{Level: slog.LevelDebug})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 500 {
				l.Debug(fmt.Sprint("from ", i), "j", j)
				l.Info("from everybody")
			}
		})
	}
	all.Wait()
	l.Close()
	if n := strings.Count(out.String(), "level=DEBUG"); n != 4000 {
		t.Errorf("%d lines, want 4000", n)
	}
}
