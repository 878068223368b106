package load

import (
	"sync"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept from a microsecond to two minutes, to three digits. A histogram
// then takes some 150 KiB, so subscribers share a few.
const (
	leastLatency = int64(1e3)
	mostLatency  = int64(120e9)
)

// newHistogram is for nanoseconds.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(leastLatency, mostLatency, 3)
}

// record adds a latency in nanoseconds; one out of range counts as its limit.
func record(h *hdrhistogram.Histogram, latency int64) {
	_ = h.RecordValue(min(max(latency, leastLatency), mostLatency))
}

// tally counts for several subscribers. The lock is taken once for what one read
// brought, not for each message, and there are more tallies than cores.
type tally struct {
	mu      sync.Mutex
	latency *hdrhistogram.Histogram
	counts
	_ [64]byte // keeps neighbours out of the cache line
}

// counts is what a tally adds up.
type counts struct {
	warm       int64 // messages that warm up
	ready      int64 // subscribers that have had one of them
	delivered  int64 // each message once for each subscriber
	duplicated int64
	late       int64 // came after one that was published later
}

func (c *counts) add(other *counts) {
	c.warm += other.warm
	c.ready += other.ready
	c.delivered += other.delivered
	c.duplicated += other.duplicated
	c.late += other.late
}

// tallies are shared among the subscribers, each of which has one.
type tallies []tally

// newTallies makes so many, all empty.
func newTallies(n int) tallies {
	all := make(tallies, n)
	for i := range all {
		all[i].latency = newHistogram()
	}
	return all
}

// sum adds up the counts. It may be called at any time, and locks one tally after
// another.
func (all tallies) sum() (c counts) {
	for i := range all {
		t := &all[i]
		t.mu.Lock()
		c.add(&t.counts)
		t.mu.Unlock()
	}
	return c
}

// latency merges the histograms, in the same way.
func (all tallies) latency() *hdrhistogram.Histogram {
	h := newHistogram()
	for i := range all {
		t := &all[i]
		t.mu.Lock()
		h.Merge(t.latency)
		t.mu.Unlock()
	}
	return h
}
