package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// besideBar is the most that a build may cost, as a multiple of the one before.
const besideBar = 1.03

// besideText is the comparisons as a table, with a few lines on what it shows.
func besideText(machine, before string, s settings, all []comparison) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Belfry beside %s\n\n%s.\n", before, machine)
	fmt.Fprintf(&b, "Turns: %d, of %d s each. CPU is that of a delivery, or of an idle connection in a second; memory that of the\n", s.runs, s.seconds)
	fmt.Fprintf(&b, "process. Both are medians, and a ratio is that of the pairs' ratios (from the least to the most of them).\n\n")
	cells := [][]string{{"row", "variant", "CPU before", "now", "ratio", "memory before", "now", "ratio", ""}}
	for _, c := range all {
		cells = append(cells, slices.Concat([]string{c.Row, c.Variant}, c.CPU.cells("µs"), c.Memory.cells("MiB"), []string{c.verdict()}))
	}
	writeTable(&b, cells)
	return b.String()
}

// cells are the medians and the ratio; empty when it was not measured.
func (c *change) cells(unit string) []string {
	if c == nil {
		return []string{"", "", ""}
	}
	return []string{number(c.Before, unit), number(c.Now, unit), fmt.Sprintf("%.3f (%.2f to %.2f)", c.Ratio, c.Least, c.Most)}
}

// verdict is "ok", or what is too much. A change is too much when its median is,
// however far the pairs are apart: more turns bring them together.
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
