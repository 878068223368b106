package main

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"belfry/cmd/internal/load"
)

// fakeReport has every part that a measure may look at.
func fakeReport(cpu float64) *report {
	return &report{Redis: new(redisReport), Regained: new(regained), Calm: new(calmReport), Report: load.Report{
		Delivered: 10, Seconds: 1, Latency: &load.Latency{P99: 1000},
		Server: &load.Server{CPUPerDelivery: cpu}, Stalled: &load.Stalled{Subscribers: 1},
		Churn: &load.Churn{Join: &load.Latency{P99: 2000}}, Connect: &load.Latency{},
	}}
}

// TestRows finds measures of variants that there are not.
func TestRows(t *testing.T) {
	rows, err := chooseRows(settings{seconds: 5, idle: time.Minute})
	if err != nil || len(rows) != len(rowMakers) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		all := make(reports)
		for _, v := range r.variants {
			if all[v.name] != nil || servers[v.server] == nil && v.do == nil {
				t.Errorf("%s: variant %s of server %s is twice or of no server", r.name, v.name, v.server)
			}
			all[v.name] = fakeReport(1)
		}
		for _, m := range r.measures {
			if _, ok := m.one(all); !ok {
				t.Errorf("%s: %s is of a variant that there is not", r.name, m.what)
			}
		}
	}
	if _, err := chooseRows(settings{only: "fast"}); err == nil || !strings.Contains(err.Error(), "steady, busy") {
		t.Errorf("a row that there is not: %v", err)
	}
}

func TestWith(t *testing.T) {
	flags := make([]string, 1, 8)
	one, two := with(flags, "one"), with(flags, "two")
	if one[1] != "one" || two[1] != "two" || len(flags) != 1 {
		t.Errorf("got %q and %q", one, two)
	}
}

// TestValue takes the median of the ratios, not the ratio of the medians.
func TestValue(t *testing.T) {
	r := result{Runs: []reports{
		{"a": fakeReport(8), "b": fakeReport(4), "once": fakeReport(5)},
		{"a": fakeReport(9), "b": fakeReport(9)},
		{"a": fakeReport(30), "b": fakeReport(10)},
	}}
	cases := []struct {
		name string
		m    measure
		want float64
	}{
		{"ratio", ratio("", cpuPerDelivery, "a", "b"), 2},
		{"difference", difference("", "", cpuPerDelivery, "a", "b"), 4},
		{"in one run only", ratio("", cpuPerDelivery, "once", "b"), 1.25},
		{"median", median("", "", cpuPerDelivery, "b"), 9},
		{"worst", worst("", "", cpuPerDelivery, "a", "b"), 30},
		{"nobody", median("", "", cpuPerDelivery, "c"), math.NaN()},
	}
	for _, tc := range cases {
		if got := r.value(tc.m); got != tc.want && !(math.IsNaN(got) && math.IsNaN(tc.want)) {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
	if got := middle([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of an even number: %v", got)
	}
}

func TestFaults(t *testing.T) {
	bad := fakeReport(1)
	bad.Lost, bad.Duplicated, bad.OutOfOrder, bad.Refused, bad.Closed = 1, 2, 4, 8, 16
	bad.Churn = &load.Churn{Lost: 32, Duplicated: 64, OutOfOrder: 128, Stray: 256, Refused: 512}
	if got := faults(bad); got != 1023 {
		t.Errorf("got %v, want 1023", got)
	}
	if faults(fakeReport(1)) != 0 || faults(&report{}) != 1 {
		t.Error("a good report has faults, or one without deliveries has none")
	}
}

func TestMarkdown(t *testing.T) {
	rows, err := chooseRows(settings{only: "steady", seconds: 5})
	if err != nil {
		t.Fatal(err)
	}
	row := rows[0]
	r := result{Work: row.work, variants: row.variants, Runs: []reports{{
		"bare": fakeReport(7), "melody": fakeReport(14), "raw": fakeReport(8), "centrifuge": fakeReport(10.5),
	}}}
	r.Measured = r.findings(row.measures)
	got := strings.Split(markdown("a machine", settings{runs: 1, seconds: 5}, []result{r}), "\n")
	for _, want := range []string{
		"Made by `go run ./cmd/compare`: a machine.",
		"## 2,000 subscribers, 1 channel, 20 messages/s",
		"| CPU per delivery, raw to bare | ≤ 1.20 × | 1.14 × | ok |",
		"| CPU per delivery, centrifuge to bare | ≤ 1.20 × | 1.50 × | over by 25 % |",
		"| CPU per delivery, melody to bare |  | 2.00 × |  |",
		"| faults of Belfry | none | 0 | ok |",
		"| bare | 7.00 µs | 0.00 ms | 1.00 ms | 0 | 0.00 KiB |",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no line %s in:\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// TestMarkdownOfRegained has no table of servers: belfry bench has loaded none.
func TestMarkdownOfRegained(t *testing.T) {
	row := comeback(settings{})
	r := result{Work: row.work, variants: row.variants, Runs: []reports{
		{"2,000": {Redis: &redisReport{Reads: 1}, Regained: &regained{Seconds: 1.5, Messages: 100_000}}},
		{"2,000": {Redis: &redisReport{Reads: 40}, Regained: &regained{Seconds: 3.5, Messages: 99_999, Faults: 1}}},
	}}
	r.Measured = r.findings(row.measures)
	got := markdown("a machine", settings{runs: 2, seconds: 5}, []result{r})
	for _, want := range []string{"| ≤ 3.00 s | 3.50 s | over by 17 % |", "| ≤ 10 | 40 | over by 300 % |", "| none | 1 | over |"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "| server |") {
		t.Errorf("a table of servers in:\n%s", got)
	}
}

// TestLessRoundTrip takes one round trip off where there is a Redis.
func TestLessRoundTrip(t *testing.T) {
	row := redis(settings{})
	through := fakeReport(1)
	through.Latency.P99, through.Redis.RoundTrip = 3600, 100
	got, ok := row.measures[0].one(reports{"memory": {Report: load.Report{Latency: &load.Latency{P99: 1000}}}, "Redis": through})
	if !ok || got != 3.5 {
		t.Errorf("got %v, want 3.5", got)
	}
}

func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		value, bar float64
		want       string
	}{
		{1.2, 1.2, "ok"}, {1.201, 1.2, "over by 1 %"}, {0, 0, "ok"}, {1, 0, "over"},
		{1, math.NaN(), ""}, {math.NaN(), 1, "not measured"},
	} {
		if got := judge(tc.value, tc.bar); got != tc.want {
			t.Errorf("judge(%v, %v) = %q, want %q", tc.value, tc.bar, got, tc.want)
		}
	}
}
