package main

import (
	"strings"
	"testing"
)

// TestLedger checks that what checks the promise finds it broken.
func TestLedger(t *testing.T) {
	cases := []struct {
		name string
		do   func(*ledger, *journal)
		want string // what stands in the report, empty: nothing may
	}{
		{"in order", func(_ *ledger, j *journal) { j.deliver(4, "a"); j.deliver(5, "b") }, ""},
		{"twice", func(_ *ledger, j *journal) { j.deliver(4, "a"); j.deliver(4, "a") }, "got message 4"},
		{"backwards", func(_ *ledger, j *journal) { j.deliver(5, "b"); j.deliver(4, "a") }, "got message 4"},
		{"missing", func(_ *ledger, j *journal) { j.deliver(4, "a"); j.deliver(7, "d") }, "2 are missing"},
		{"missing at the end", func(l *ledger, j *journal) { j.deliver(4, "a"); l.acknowledge("news", "e", 5, "b") }, "has up to 4 of 5"},
		{"told", func(_ *ledger, j *journal) { j.deliver(4, "a"); j.tell("e", 6); j.deliver(7, "d") }, ""},
		{"told too little", func(_ *ledger, j *journal) { j.tell("e", 6); j.deliver(8, "e") }, "1 are missing"},
		{"sent back", func(_ *ledger, j *journal) { j.deliver(4, "a"); j.tell("e", 3) }, "sent back"},
		{"another message", func(l *ledger, j *journal) { l.acknowledge("news", "e", 4, "a"); j.deliver(4, "b") }, `"a" for one and "b"`},
		{"published twice", func(_ *ledger, j *journal) { j.deliver(4, "a"); j.deliver(5, "a") }, "published twice"},
		{"another epoch", func(l *ledger, j *journal) { j.deliver(4, "a"); l.acknowledge("news", "f", 4, "a") }, "the epoch was"},
		{"another epoch, told", func(l *ledger, j *journal) {
			j.deliver(4, "a")
			l.replace()
			l.acknowledge("news", "f", 1, "c")
			j.tell("f", 0)
			j.deliver(1, "c")
		}, ""},
		{"another epoch, not told", func(l *ledger, j *journal) { j.deliver(4, "a"); l.replace(); l.acknowledge("news", "f", 1, "c") }, "a of news has up to 4"},
		{"the same epoch again", func(l *ledger, j *journal) { j.deliver(4, "a"); l.replace(); l.acknowledge("news", "e", 4, "c") }, `"a" for one and "c"`},
		{"never subscribed", func(l *ledger, _ *journal) { l.journal("late", "news") }, "late of news"},
		{"told although it is held", func(l *ledger, _ *journal) { j := l.journal("b", "kept"); j.begin("e", 0); j.tell("e", 0) }, "the history holds them"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			l := newLedger(lossChannel{name: "news", forgetful: true}, lossChannel{name: "kept"})
			j := l.journal("a", "news")
			j.begin("e", 3)
			tc.do(l, j)
			l.twice()
			got := strings.Join(append(l.broken, l.behind()...), "\n")
			if !strings.Contains(got, tc.want) || tc.want == "" && got != "" {
				t.Errorf("reported: %q, want %q in it", got, tc.want)
			}
		})
	}
}
