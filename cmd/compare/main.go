// Command compare measures Belfry beside the yardsticks of cmd/reference: it
// starts each server as a process of its own, does the same work with each in
// turn, and sets what came of it beside a bar. Some rows start a redis-server, too.
// It takes about twenty minutes and the whole machine.
//
// With -before it measures Belfry beside an older Belfry instead: each row is done
// by both builds in turn, and what the newer one costs is printed as a multiple of
// the other. The load always comes from the newer one. A few rows take a few
// minutes:
//
//	go run ./cmd/compare -before main~1 -only steady,busy
//	go run ./cmd/compare -before main~1 -only idle -idle 30s -runs 2
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// settings are what is asked for on the command line.
type settings struct {
	only    string // names of rows, with commas between; empty: all
	before  string // a commit or a binary; empty: yardsticks are beside Belfry
	runs    int
	seconds int
	idle    time.Duration
	json    bool
	file    string
}

func main() {
	var s settings
	flag.StringVar(&s.only, "only", "", "do only these `rows`, with commas between: "+strings.Join(rowNames(), ", "))
	flag.StringVar(&s.before, "before", "", "measure beside an older Belfry in place of yardsticks: a `commit`, which is built, or the path of a binary; nothing is written to the file")
	flag.IntVar(&s.runs, "runs", 3, "how often each server does the same work, in turn with the others")
	flag.IntVar(&s.seconds, "seconds", 5, "how long it does so each time")
	flag.DurationVar(&s.idle, "idle", time.Minute, "how long connections idle")
	flag.BoolVar(&s.json, "json", false, "print JSON")
	flag.StringVar(&s.file, "file", "cmd/compare/results.md", "the `file` that a run of all rows is written to; empty: none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	rows, err := chooseRows(s)
	if err != nil {
		return err
	}
	if err := checkNeeds(rows); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "belfry-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := buildAll(ctx, dir); err != nil {
		return err
	}
	w := &work{dir: dir, belfry: filepath.Join(dir, "belfry"), runs: s.runs, total: countRuns(rows, s.runs)}
	if s.before != "" {
		return w.compareRows(ctx, s, rows)
	}
	var results []result
	for _, r := range rows {
		result, err := w.do(ctx, r)
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	return publish(s, results)
}

// checkNeeds says at once which program is missing.
func checkNeeds(rows []row) error {
	for _, r := range rows {
		if r.needs == "" {
			continue
		}
		if _, err := exec.LookPath(r.needs); err != nil {
			return fmt.Errorf("row %s needs %s (apt-get install %s): %w", r.name, r.needs, r.needs, err)
		}
	}
	return nil
}

// publish prints the results, and writes the file when there are all.
func publish(s settings, results []result) error {
	text := markdown(thisMachine(), s, results)
	if s.only == "" && s.file != "" {
		if err := os.WriteFile(s.file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if s.json {
		return json.NewEncoder(os.Stdout).Encode(results)
	}
	fmt.Print(text)
	return nil
}
