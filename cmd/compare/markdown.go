package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// finding is what a measure has come to, as it is shown.
type finding struct {
	What    string `json:"what"`
	Bar     string `json:"bar,omitempty"`
	Value   string `json:"value"`
	Verdict string `json:"verdict,omitempty"`
}

func (r *result) findings(measures []measure) (all []finding) {
	for _, m := range measures {
		value := r.value(m)
		all = append(all, finding{m.what, barText(m), number(value, m.unit), judge(value, m.bar)})
	}
	return all
}

// thisMachine describes what the numbers hold for.
func thisMachine() string {
	return fmt.Sprintf("%s, %d cores, %s %s/%s, %s", processor(), runtime.NumCPU(),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, time.Now().Format(time.DateOnly))
}

// processor is the name of the CPU where the system tells it.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// markdown is the results as a page.
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

// writeVariant writes the medians of what one server did.
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

// value combines what the runs have; NaN when none has it.
func (r *result) value(m measure) float64 {
	var values []float64
	for _, run := range r.Runs {
		if value, ok := m.one(run); ok {
			values = append(values, value)
		}
	}
	if len(values) == 0 {
		return math.NaN()
	}
	return m.combine(values)
}

func barText(m measure) string {
	switch {
	case math.IsNaN(m.bar):
		return ""
	case m.bar == 0:
		return "none"
	}
	return "≤ " + number(m.bar, m.unit)
}

func judge(value, bar float64) string {
	switch {
	case math.IsNaN(bar):
		return ""
	case math.IsNaN(value):
		return "not measured"
	case value <= bar:
		return "ok"
	case bar == 0:
		return "over"
	}
	return fmt.Sprintf("over by %.0f %%", math.Ceil((value/bar-1)*100))
}

// number writes what is counted whole, and anything else with three digits.
func number(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return "?"
	case unit == "":
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', decimals(v), 64) + " " + unit
}

func decimals(v float64) int {
	switch v = math.Abs(v); {
	case v >= 99.95:
		return 0
	case v >= 9.995:
		return 1
	}
	return 2
}
