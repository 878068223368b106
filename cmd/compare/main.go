package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

// main reads the flags, and ends what it has started when it is interrupted. The exit
// code is 1 when a row could not be measured; that a bar was missed is in the results,
// for people to judge.
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

// run does the rows and prints what came of them. The programs and the data of
// Redis are in a folder of their own, which is gone when it returns.
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
	p, err := buildPrograms(ctx, dir)
	if err != nil {
		return err
	}
	if s.before != "" {
		return runBeside(ctx, s, p, rows)
	}
	t := &turns{runs: s.runs, total: countTurns(rows, s.runs)}
	var results []result
	for _, r := range rows {
		result, err := t.do(ctx, p, r)
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	return publish(s, results)
}

// checkNeeds says which program is missing, before the first of twenty minutes.
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

// publish prints the results, and writes the file when there are all: a page of
// some rows would hide that the others were measured at another time.
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
