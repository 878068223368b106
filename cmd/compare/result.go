package main

import "math"

// result is what came of a row: its measures, and the reports they are taken from.
type result struct {
	Row      string    `json:"row"`
	Work     string    `json:"work"`
	Measured []finding `json:"measured"`
	Runs     []reports `json:"runs"` // variants that are done once are in the first only
	variants []variant // in their order, which the reports of a run do not have
}

// finding is what a measure has come to, as it is shown.
type finding struct {
	What    string `json:"what"`
	Bar     string `json:"bar,omitempty"`
	Value   string `json:"value"`
	Verdict string `json:"verdict,omitempty"`
}

// findings takes the measures of the row.
func (r *result) findings(measures []measure) (all []finding) {
	for _, m := range measures {
		value := r.value(m)
		all = append(all, finding{m.what, barText(m), number(value, m.unit), judge(value, m.bar)})
	}
	return all
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
