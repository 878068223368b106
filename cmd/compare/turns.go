package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// turnWait bounds one turn of one server: a minute for ten thousand idle
// connections, and what it takes to open and close them on a slow machine.
const turnWait = 5 * time.Minute

// turns has servers do the work of rows, one after another: only one of them runs
// at a time, and has the machine for itself and the load. It tells of each turn on
// standard error. It is for one goroutine.
type turns struct {
	runs        int // how many each variant has
	done, total int // turns of all rows, for the progress
}

// countTurns is how many turns the rows take without an older build.
func countTurns(rows []row, runs int) (n int) {
	for _, r := range rows {
		for _, v := range r.variants {
			n += r.turns(v, runs)
		}
	}
	return n
}

// do has all variants of a row do its work in turn, again and again. What one run
// measures is compared within it, so that a machine that gets slower changes the
// numbers and not the ratios.
func (t *turns) do(ctx context.Context, p *programs, r row) (result, error) {
	all := result{Row: r.name, Work: r.work, variants: r.variants}
	for i := range t.runs {
		run := make(reports)
		for _, v := range r.variants {
			if i >= r.turns(v, t.runs) {
				continue
			}
			report, err := t.one(ctx, p, r, v)
			if err != nil {
				return all, fmt.Errorf("%s, %s: %w", r.name, v.name, err)
			}
			run[v.name] = report
		}
		if len(run) > 0 {
			all.Runs = append(all.Runs, run)
		}
	}
	all.Measured = all.findings(r.measures)
	return all, nil
}

// one has one variant do the work once. Lost messages are no error: they are in
// the report.
func (t *turns) one(ctx context.Context, p *programs, r row, v variant) (*report, error) {
	ctx, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	do := v.do
	if do == nil {
		do = loadServer
	}
	report, err := do(ctx, p, v)
	if err != nil {
		return nil, err
	}
	t.done++
	fmt.Fprintf(os.Stderr, "%3d of %d  %-9s %-18s %s\n", t.done, t.total, r.name, v.name, report.brief())
	return report, nil
}
