package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// besideBar is the most that a build may cost, as a multiple of the one before.
const besideBar = 1.03

// comparison is one variant of a row, done by an older and by this build in turn.
type comparison struct {
	Row     string  `json:"row"`
	Variant string  `json:"variant"`
	Pairs   []pair  `json:"pairs"`
	CPU     *change `json:"cpu,omitempty"`    // nil: not measured
	Memory  *change `json:"memory,omitempty"` // nil: not measured
	Faults  float64 `json:"faults"`           // of this build, in its worst run
}

// pair is what both builds have made of the same work, one after the other.
type pair struct {
	Before *report `json:"before"`
	Now    *report `json:"now"`
}

// change is what became of a quantity: its medians, and the ratios of the pairs.
// The least and the most of those say how far the machine itself goes up and
// down: a change between 1 and them means nothing.
type change struct {
	Before float64 `json:"before"`
	Now    float64 `json:"now"`
	Ratio  float64 `json:"ratio"` // median of the pairs
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// compareRows does the rows with both builds and prints what the change costs.
// The file of results stays as it is: what it says is of all rows and yardsticks.
func (w *work) compareRows(ctx context.Context, s settings, rows []row) error {
	older, name, err := olderBelfry(ctx, w.dir, s.before)
	if err != nil {
		return err
	}
	w.total = countPairs(rows, s.runs) * 2
	var all []comparison
	for _, r := range rows {
		for _, v := range r.ofBelfry() {
			c, err := w.compare(ctx, r, v, older)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", r.name, v.name, err)
			}
			all = append(all, c)
		}
	}
	if s.json {
		return json.NewEncoder(os.Stdout).Encode(all)
	}
	fmt.Print(besideText(thisMachine(), name, s, all))
	return nil
}

// ofBelfry are the variants that measure Belfry and no yardstick.
func (r *row) ofBelfry() []variant {
	return slices.DeleteFunc(slices.Clone(r.variants), func(v variant) bool { return v.do == nil && v.server != "belfry" })
}

func countPairs(rows []row, runs int) (n int) {
	for _, r := range rows {
		n += len(r.ofBelfry()) * runs
	}
	return n
}

// compare has both builds do a variant in turn. The older one begins every other
// turn, so that neither always meets the machine as the other has left it. Rows
// that are otherwise done once have as many turns as others: here all is ratios.
func (w *work) compare(ctx context.Context, r row, v variant, older string) (c comparison, err error) {
	c = comparison{Row: r.name, Variant: v.name}
	now := w.belfry
	defer func() { w.belfry = now }()
	for turn := range w.runs {
		var p pair
		builds := []build{{"before", older, &p.Before}, {"now", now, &p.Now}}
		if turn%2 == 1 {
			slices.Reverse(builds)
		}
		for _, b := range builds {
			w.belfry = b.binary
			named := v
			named.name += ", " + b.name
			if *b.report, err = w.one(ctx, r, named); err != nil {
				return c, fmt.Errorf("%s: %w", b.name, err)
			}
		}
		c.Pairs = append(c.Pairs, p)
		c.Faults = max(c.Faults, faultsOf(p.Now))
	}
	c.CPU, c.Memory = changeOf(c.Pairs, cpuCost), changeOf(c.Pairs, memoryCost)
	return c, nil
}

// build is one of the two that have a turn.
type build struct {
	name, binary string
	report       **report // where its report goes
}

// changeOf is nil when a pair does not have the quantity.
func changeOf(pairs []pair, of quantity) *change {
	var before, now, ratios []float64
	for _, p := range pairs {
		b, n := of(p.Before), of(p.Now)
		before, now, ratios = append(before, b), append(now, n), append(ratios, n/b)
	}
	c := &change{middle(before), middle(now), middle(ratios), slices.Min(ratios), slices.Max(ratios)}
	if math.IsNaN(c.Least) || math.IsInf(c.Most, 0) { // one NaN makes the least NaN
		return nil
	}
	return c
}

// besideText is the comparisons as a table.
func besideText(machine, before string, s settings, all []comparison) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Belfry beside %s\n\n%s.\n", before, machine)
	fmt.Fprintf(&b, "Turns: %d, of %d s each. CPU is that of a delivery, or of an idle connection in a second; memory that of a\n", s.runs, s.seconds)
	fmt.Fprintf(&b, "connection. Both are medians, and a ratio is that of the pairs' ratios (from the least to the most of them).\n\n")
	cells := [][]string{{"row", "variant", "CPU before", "now", "ratio", "memory before", "now", "ratio", ""}}
	for _, c := range all {
		cells = append(cells, slices.Concat([]string{c.Row, c.Variant}, c.CPU.cells("µs"), c.Memory.cells("KiB"), []string{c.verdict()}))
	}
	writeTable(&b, cells)
	return b.String()
}

// cells are the medians and the ratio.
func (c *change) cells(unit string) []string {
	if c == nil {
		return []string{"", "", ""}
	}
	return []string{number(c.Before, unit), number(c.Now, unit), fmt.Sprintf("%.3f (%.2f to %.2f)", c.Ratio, c.Least, c.Most)}
}

// verdict is "ok", or what is too much.
func (c *comparison) verdict() string {
	var over []string
	add := func(what string, change *change) {
		if change != nil && change.Ratio > besideBar {
			over = append(over, what+" "+judge(change.Ratio, besideBar))
		}
	}
	add("CPU", c.CPU)
	add("memory", c.Memory)
	if c.Faults > 0 {
		over = append(over, fmt.Sprintf("%.0f faults", c.Faults))
	}
	if len(over) == 0 {
		return "ok"
	}
	return strings.Join(over, ", ")
}

// writeTable writes rows of cells, the first one as the head, so that it can be
// read as it stands and as Markdown.
func writeTable(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, cells := range rows {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, cells := range rows {
		for i, cell := range cells {
			b.WriteString("| " + cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)) + " ")
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, width := range widths {
				b.WriteString("|" + strings.Repeat("-", width+2))
			}
			b.WriteString("|\n")
		}
	}
}
