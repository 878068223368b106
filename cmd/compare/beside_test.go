package main

import (
	"strings"
	"testing"

	"belfry/cmd/internal/load"
)

// TestChange takes the ratio of each pair, so that what slows both builds down
// for a while changes nothing.
func TestChange(t *testing.T) {
	loaded := func(cpu float64) *report {
		r := fakeReport(cpu)
		r.Regained = nil
		return r
	}
	pairs := []pair{{loaded(10), loaded(11)}, {loaded(30), loaded(30)}, {loaded(10), loaded(9)}}
	if c := changeOf(pairs, cpuCost); c == nil || *c != (change{Before: 10, Now: 11, Ratio: 1, Least: 0.9, Most: 1.1}) {
		t.Errorf("got %+v", c)
	}
	pairs[1].Now = &report{Regained: new(regained)} // no messages
	if c := changeOf(pairs, cpuCost); c != nil {
		t.Errorf("got %+v of a pair without CPU time", c)
	}
}

func TestCosts(t *testing.T) {
	idle := &report{Report: load.Report{Closed: 2, Server: &load.Server{CPUPerConnection: 3, Memory: 2 << 20}}}
	if cpu, memory, faults := cpuCost(idle), memoryCost(idle), faultsOf(idle); cpu != 3 || memory != 2 || faults != 2 {
		t.Errorf("idle: %v µs, %v MiB, %v faults", cpu, memory, faults)
	}
	back := &report{Regained: &regained{Messages: 1000, Faults: 4, CPUSeconds: 0.5, Memory: 3 << 20}}
	if cpu, memory, faults := cpuCost(back), memoryCost(back), faultsOf(back); cpu != 500 || memory != 3 || faults != 4 {
		t.Errorf("regained: %v µs, %v MiB, %v faults", cpu, memory, faults)
	}
}

func TestBesideText(t *testing.T) {
	all := []comparison{
		{Row: "steady", Variant: "raw", CPU: &change{7, 7.14, 1.02, 0.99, 1.04}, Memory: &change{10, 10, 1, 1, 1}},
		{Row: "idle", Variant: "raw", CPU: &change{7, 14, 2, 2, 2}, Memory: &change{10, 11, 1.1, 1.1, 1.1}, Faults: 3},
		{Row: "recover", Variant: "2,000"},
	}
	got := besideText("a machine", "main", settings{runs: 3, seconds: 5}, all)
	for _, want := range []string{
		"# Belfry beside main\n",
		"| row     | variant | CPU before | now     | ratio",
		"| steady  | raw     | 7.00 µs    | 7.14 µs | 1.020 (0.99 to 1.04) | 10.0 MiB      | 10.0 MiB | 1.000 (1.00 to 1.00) | ok ",
		"| CPU over by 95 %, memory over by 7 %, 3 faults |\n",
		"| recover | 2,000   |            |         |                      |               |          |                      | ok ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

// TestOfBelfry leaves the yardsticks out, and has work of its own in.
func TestOfBelfry(t *testing.T) {
	rows, err := chooseRows(settings{only: "recover,steady"})
	if err != nil || len(rows) != 2 || rows[0].name != "steady" {
		t.Fatalf("%v, %v", rows, err)
	}
	if n := countPairs(rows, 2); n != 6 {
		t.Errorf("%d pairs, want 2 of raw, centrifuge and 2,000 each", n)
	}
}

func TestOlderBelfry(t *testing.T) {
	const file = "beside_test.go"
	if binary, name, err := olderBelfry(t.Context(), t.TempDir(), file); err != nil || name != file || !strings.HasSuffix(binary, "/"+file) {
		t.Errorf("a file: %q, %q, %v", binary, name, err)
	}
	if _, _, err := olderBelfry(t.Context(), t.TempDir(), "no-such-commit"); err == nil || !strings.Contains(err.Error(), "neither a file nor a commit") {
		t.Errorf("nothing there: %v", err)
	}
}
