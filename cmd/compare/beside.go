package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
)

// comparison is one variant of a row, done by an older and by this build in turn.
type comparison struct {
	Row     string  `json:"row"`
	Variant string  `json:"variant"`
	Pairs   []pair  `json:"pairs"`            // one of each turn, in order
	CPU     *change `json:"cpu,omitempty"`    // nil: not measured
	Memory  *change `json:"memory,omitempty"` // nil: not measured
	Faults  float64 `json:"faults"`           // of this build, in its worst turn
}

// pair is what both builds have made of the same work, one after the other.
type pair struct {
	Before *report `json:"before"`
	Now    *report `json:"now"`
}

// change is what became of a quantity: its medians, and the ratios of the pairs.
// The least and the most of these show how far the machine itself goes up and down: a
// median between them that is near 1 is no change.
type change struct {
	Before float64 `json:"before"`
	Now    float64 `json:"now"`
	Ratio  float64 `json:"ratio"` // median of the pairs
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// runBeside does the rows with an older build and this one and prints what the
// change costs. The file of results stays as it is: what it says is of all rows,
// and of yardsticks.
func runBeside(ctx context.Context, s settings, now *programs, rows []row) error {
	older, name, err := olderBelfry(ctx, now.dir, s.before)
	if err != nil {
		return err
	}
	before := *now
	before.belfry = older
	t := &turns{runs: s.runs, total: 2 * countPairs(rows, s.runs)}
	var all []comparison
	for _, r := range rows {
		for _, v := range r.ofBelfry() {
			c, err := t.compare(ctx, &before, now, r, v)
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

func countPairs(rows []row, runs int) (n int) {
	for _, r := range rows {
		n += len(r.ofBelfry()) * runs
	}
	return n
}

// compare has both builds do a variant in turn. The older one begins every other
// turn, so that neither always meets the machine as the other has left it. What is
// otherwise done once has as many turns as the rest: here all is ratios.
func (t *turns) compare(ctx context.Context, before, now *programs, r row, v variant) (c comparison, err error) {
	c = comparison{Row: r.name, Variant: v.name}
	for turn := range t.runs {
		var p pair
		builds := []build{{"before", before, &p.Before}, {"now", now, &p.Now}}
		if turn%2 == 1 {
			slices.Reverse(builds)
		}
		for _, b := range builds {
			named := v
			named.name += ", " + b.name
			if *b.report, err = t.one(ctx, b.programs, r, named); err != nil {
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
	name     string
	programs *programs
	report   **report // where its report goes
}

// changeOf is nil when a pair does not have the quantity, or had none of it before: a
// ratio needs both.
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
