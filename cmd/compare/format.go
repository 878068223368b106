package main

import (
	"fmt"
	"math"
	"strconv"
)

// barText is the bar of a measure in words; empty when it has none.
func barText(m measure) string {
	switch {
	case math.IsNaN(m.bar):
		return ""
	case m.bar == 0:
		return "none"
	}
	return "≤ " + number(m.bar, m.unit)
}

// judge says how a value stands to its bar, the most that it may be, in per cent
// rounded up: 1.201 is over 1.2. It says nothing without a bar.
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

// number writes what is counted whole, and anything else with three digits, which
// is more than two runs agree on. NaN is a question mark.
func number(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return "?"
	case unit == "":
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', decimals(v), 64) + " " + unit
}

// decimals is how many digits after the point make three with those before it.
// The limits are those at which the number would be rounded up to one digit more.
func decimals(v float64) int {
	switch v = math.Abs(v); {
	case v >= 99.95:
		return 0
	case v >= 9.995:
		return 1
	}
	return 2
}
