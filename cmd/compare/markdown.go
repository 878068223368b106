package main

import (
	"fmt"
	"strings"
)

// markdown is the results as a page, which is what results.md has.
func markdown(machine string, s settings, results []result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Belfry beside its yardsticks\n\nMade by `go run ./cmd/compare`: %s.\n", machine)
	fmt.Fprintf(&b, "Runs in turn: %d, of %d s each. A ratio or a time is the median of the runs, a number of faults the worst.\n", s.runs, s.seconds)
	fmt.Fprintf(&b, "Messages have 128 bytes and come in over HTTP unless it says otherwise. *Bare* is one system call for each\n")
	fmt.Fprintf(&b, "delivery, *melody* its own Broadcast (`cmd/reference`); *raw* and *centrifuge* are Belfry. A fault is a message\n")
	fmt.Fprintf(&b, "that was lost, came twice or out of order, or a connection that ended.\n")
	for _, r := range results {
		r.write(&b)
	}
	return b.String()
}

// write writes the section of a row: what it measures, beside the bars, and then
// what each server did that belfry bench has loaded.
func (r *result) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n| measure | bar | measured | |\n|---|---|---|---|\n", r.Work)
	for _, m := range r.Measured {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", m.What, m.Bar, m.Value, m.Verdict)
	}
	loaded := r.loaded()
	if len(loaded) == 0 {
		return
	}
	fmt.Fprintf(b, "\n| server | CPU per delivery | p50 | p99 | deliveries/s | memory per connection |\n|---|---|---|---|---|---|\n")
	for _, v := range loaded {
		r.writeVariant(b, v)
	}
}

// loaded are the variants that belfry bench has loaded.
func (r *result) loaded() (variants []variant) {
	for _, v := range r.variants {
		if report := r.Runs[0][v.name]; report != nil && report.Server != nil {
			variants = append(variants, v)
		}
	}
	return variants
}

// writeVariant writes the medians of what one server did. Idle connections have
// no deliveries and leave all but their memory empty.
func (r *result) writeVariant(b *strings.Builder, v variant) {
	of := func(q quantity) float64 { return r.value(median("", "", q, v.name)) }
	cells := []string{"", "", "", ""}
	if of(func(r *report) float64 { return float64(r.Delivered) }) > 0 {
		cells = []string{
			number(of(cpuPerDelivery), "µs"),
			number(of(func(r *report) float64 { return r.Latency.P50 / 1e3 }), "ms"),
			number(of(p99)/1e3, "ms"),
			number(of(func(r *report) float64 { return r.DeliveriesPerSecond }), ""),
		}
	}
	fmt.Fprintf(b, "| %s | %s | %s |\n", v.name, strings.Join(cells, " | "), number(of(memoryEach), "KiB"))
}
