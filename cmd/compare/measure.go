package main

import (
	"math"
	"slices"
)

// reports are what the variants of one row have made in one run, by their names.
type reports map[string]*report

// measure is a number that is taken of a row: one takes it of each run, and combine
// makes one number of these.
type measure struct {
	what    string
	unit    string                                 // empty: it is counted
	bar     float64                                // the most it may be; NaN: it is only shown
	one     func(reports) (value float64, ok bool) // not ok: the run does not have it
	combine func(values []float64) float64         // one value or more
}

// atMost sets the bar.
func (m measure) atMost(bar float64) measure {
	m.bar = bar
	return m
}

// quantity is one number of a report; NaN: it was not measured. The part of the
// report that it is taken from must be there: the row knows which variants have it.
type quantity func(*report) float64

// ratio is the median of the ratios of the runs.
func ratio(what string, of quantity, this, to string) measure {
	return both(what, "×", of, this, to, func(a, b float64) float64 { return a / b })
}

// difference is the median of the differences of the runs.
func difference(what, unit string, of quantity, this, to string) measure {
	return both(what, unit, of, this, to, func(a, b float64) float64 { return a - b })
}

// both joins a quantity of two variants of the same run.
func both(what, unit string, of quantity, this, to string, join func(a, b float64) float64) measure {
	return measure{what: what, unit: unit, bar: math.NaN(), combine: middle, one: func(all reports) (float64, bool) {
		a, b := all[this], all[to]
		if a == nil || b == nil {
			return 0, false
		}
		return join(of(a), of(b)), true
	}}
}

// median is that of the runs.
func median(what, unit string, of quantity, variant string) measure {
	m := worst(what, unit, of, variant)
	m.combine = middle
	return m
}

// worst is the highest of all runs and variants.
func worst(what, unit string, of quantity, variants ...string) measure {
	one := func(all reports) (most float64, ok bool) {
		for _, v := range variants {
			if r := all[v]; r != nil {
				most, ok = max(most, of(r)), true
			}
		}
		return most, ok
	}
	return measure{what: what, unit: unit, bar: math.NaN(), one: one, combine: slices.Max[[]float64]}
}

// middle is the median of one value or more; of an even number, the mean of the
// two in the middle. NaN counts as the least.
func middle(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// Quantities of every report of belfry bench. CPU time is in microseconds, memory
// in KiB for each connection or, at its peak, in MiB of the process.

func cpuPerDelivery(r *report) float64 { return r.Server.CPUPerDelivery }
func memoryEach(r *report) float64     { return r.Server.MemoryPerConnection / 1024 }
func cpuEach(r *report) float64        { return r.Server.CPUPerConnection }
func cpuPerConnect(r *report) float64  { return r.Server.CPUPerConnect }
func memoryPeak(r *report) float64     { return float64(r.Server.MemoryPeak) / (1 << 20) }
func closed(r *report) float64         { return float64(r.Closed) }

// p99 is the latency in microseconds, from when a message was due.
func p99(r *report) float64 {
	if r.Latency == nil {
		return math.NaN()
	}
	return r.Latency.P99
}

func p99Milliseconds(r *report) float64 { return p99(r) / 1e3 }

// Quantities of clients that connect, in seconds from when each began to until it was
// subscribed. What connecting costs the server is above, in microseconds for each.

func connectP99(r *report) float64     { return r.Connect.P99 / 1e6 }
func connectSlowest(r *report) float64 { return r.Connect.Max / 1e6 }

// faults is how many messages did not come once and in order, and a fault when
// there were none at all.
func faults(r *report) float64 {
	n := r.Lost + r.Duplicated + r.OutOfOrder + r.Refused + int64(r.Closed)
	if c := r.Churn; c != nil {
		n += c.Lost + c.Duplicated + c.OutOfOrder + c.Stray + c.Refused
	}
	if r.Delivered == 0 {
		n++
	}
	return float64(n)
}

// faultsOf is faults of any report, also one of regained messages.
func faultsOf(r *report) float64 {
	switch {
	case r.Regained != nil:
		return regainedFaults(r)
	case r.Server != nil && r.Delivered == 0:
		return closed(r) // idle connections
	}
	return faults(r)
}

// cpuCost is the CPU time in microseconds of what there was to do: of a delivery,
// of a message that was regained, or of an idle connection in a second.
func cpuCost(r *report) float64 {
	switch {
	case r.Regained != nil:
		return r.Regained.CPUSeconds * 1e6 / float64(r.Regained.Messages)
	case r.Delivered == 0:
		return cpuEach(r)
	}
	return cpuPerDelivery(r)
}

// memoryCost is what the server has at the end, in MiB and not for each connection:
// with a hundred of them that would be what the last collection has left.
func memoryCost(r *report) float64 {
	if r.Regained != nil {
		return float64(r.Regained.Memory) / (1 << 20)
	}
	return float64(r.Server.Memory) / (1 << 20)
}

// memoryKept is in MiB, and calmIn in seconds.

func memoryKept(r *report) float64 { return float64(r.Calm.After-r.Calm.Before) / (1 << 20) }
func calmIn(r *report) float64     { return r.Calm.Seconds }

// notEvicted is how many of those that stopped reading the server has kept.
func notEvicted(r *report) float64 {
	return float64(r.Stalled.Subscribers - r.Stalled.Evicted)
}

// joinP99 is in milliseconds, from the command until its answer was read.
func joinP99(r *report) float64 {
	if r.Churn.Join == nil {
		return math.NaN()
	}
	return r.Churn.Join.P99 / 1e3
}

// joinsAndLeaves is how many there were in a second: fewer than asked for when a
// command had no answer yet as the next was due.
func joinsAndLeaves(r *report) float64 {
	return float64(r.Churn.Joins+r.Churn.Leaves) / r.Seconds
}

// lessRoundTrip is p99 without one Redis round trip. It is p99 itself where
// there is no Redis.
func lessRoundTrip(r *report) float64 { return p99(r) - roundTrip(r) }

// roundTrip is in microseconds, and 0 without Redis.
func roundTrip(r *report) float64 {
	if r.Redis == nil {
		return 0
	}
	return r.Redis.RoundTrip
}

// Quantities of reports of regained messages. Reads are of a whole turn, so that a
// server which reads for each of its clients shows.

func streamReads(r *report) float64    { return float64(r.Redis.Reads) }
func regainedIn(r *report) float64     { return r.Regained.Seconds }
func regainedAll(r *report) float64    { return float64(r.Regained.Messages) }
func regainedFaults(r *report) float64 { return float64(r.Regained.Faults) }
