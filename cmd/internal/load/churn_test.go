package load

import (
	"fmt"
	"testing"
)

func churnOptions(s *fakeServer) Options {
	o := s.options(Centrifuge)
	o.Channels, o.Publishers, o.Churn, o.Messages, o.Rate = 1, 1, 100, 600, 1000
	return o
}

func TestChurn(t *testing.T) {
	t.Parallel()
	r := mustRun(t, churnOptions(newFakeServer(t)))
	c := r.Churn
	if !r.OK() || c.Connections != 10 || c.Delivered == 0 || c.Join == nil || c.Joins == 0 || c.Leaves == 0 {
		t.Errorf("got %+v, %+v", r, c)
	}
}

func TestChurnWithLoss(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.mangle = func(n int, text string) []string {
		if n%10 == 0 {
			return nil
		}
		return []string{text}
	}
	o := churnOptions(s)
	if c := s.runUntil(t, o, int64(o.Subscribers*o.Messages*9/10)).Churn; c.Lost == 0 || c.Duplicated+c.OutOfOrder != 0 {
		t.Errorf("got %+v", c)
	}
}

// TestStay follows one churner through two stays. A message is due each 100 ns.
func TestStay(t *testing.T) {
	prefix := newPrefix(1)
	c := newChurner(clock{}, "c", prefix, 1, 100)
	answered := func(command membership, now int64) {
		c.id++
		c.state, c.now = command, now
		c.Message(fmt.Appendf(nil, `{"id":%d}`, c.id))
	}
	published := func(numbers ...uint32) {
		for _, n := range numbers {
			c.Message(marked(prefix, stamp{number: n, due: int64(n) * 100}, 64))
		}
	}
	published(1) // stray: away
	answered(joining, 250)
	published(3, 4, 6, 6, 7)
	c.state = leaving
	published(8)
	answered(leaving, 950)
	published(9) // stray
	answered(joining, 1050)
	published(14, 13) // 11 and 12 were due after the join
	c.settle(false)
	c.joinLatency = nil
	// Lost are 5, 11 and 12; 13 came late.
	want := churnCounts{joins: 2, leaves: 1, delivered: 7, duplicated: 1, late: 1, stray: 2, lost: 3}
	if c.churnCounts != want {
		t.Errorf("got %+v, want %+v", c.churnCounts, want)
	}
}
