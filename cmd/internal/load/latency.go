package load

import "github.com/HdrHistogram/hdrhistogram-go"

// Latency is a distribution of times in microseconds.
type Latency struct {
	P50  float64 `json:"p50_us"`
	P90  float64 `json:"p90_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p99_9_us"`
	Max  float64 `json:"max_us"`
	Bars []Bar   `json:"histogram,omitempty"`
}

// Bar is how many times are over the limit of the bar before and not over this
// one's. The limits are 1, 2, 5, 10, 20, 50 … microseconds.
type Bar struct {
	UpTo  float64 `json:"up_to_us"`
	Count int64   `json:"count"`
}

// newLatency reads a histogram of nanoseconds; nil when nothing was recorded.
func newLatency(h *hdrhistogram.Histogram) *Latency {
	if h.TotalCount() == 0 {
		return nil
	}
	us := func(percentile float64) float64 { return float64(h.ValueAtPercentile(percentile)) / 1e3 }
	return &Latency{P50: us(50), P90: us(90), P99: us(99), P999: us(99.9), Max: float64(h.Max()) / 1e3, Bars: bars(h)}
}

// bars sorts the values of a histogram into bars. It leaves out empty ones before the
// first and after the last that is not.
func bars(h *hdrhistogram.Histogram) (all []Bar) {
	limit, step := 1.0, 0
	var n int64
	flush := func() {
		if n > 0 || len(all) > 0 {
			all = append(all, Bar{limit, n})
		}
		limit *= []float64{2, 2.5, 2}[step%3]
		step, n = step+1, 0
	}
	for _, d := range h.Distribution() {
		if d.Count == 0 {
			continue
		}
		for float64(d.From)/1e3 > limit {
			flush()
		}
		n += d.Count
	}
	if n > 0 {
		flush()
	}
	return all
}
