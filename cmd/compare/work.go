package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// benchWait bounds one run of one server.
const benchWait = 5 * time.Minute

// work does rows.
type work struct {
	dir         string // of the programs
	belfry      string // the binary that serves; another one may make the load
	runs        int
	done, total int
}

// result is what came of a row.
type result struct {
	Row      string    `json:"row"`
	Work     string    `json:"work"`
	Measured []finding `json:"measured"`
	Runs     []reports `json:"runs"`
	variants []variant
}

func (r *row) runs(runs int) int {
	if r.once {
		return 1
	}
	return runs
}

func countRuns(rows []row, runs int) (n int) {
	for _, r := range rows {
		for _, v := range r.variants {
			if v.once {
				n++
			} else {
				n += r.runs(runs)
			}
		}
	}
	return n
}

// do has all servers of a row do its work in turn, again and again.
func (w *work) do(ctx context.Context, r row) (result, error) {
	all := result{Row: r.name, Work: r.work, variants: r.variants}
	for i := range r.runs(w.runs) {
		run := make(reports)
		for _, v := range r.variants {
			if v.once && i > 0 {
				continue
			}
			report, err := w.one(ctx, r, v)
			if err != nil {
				return all, fmt.Errorf("%s, %s: %w", r.name, v.name, err)
			}
			run[v.name] = report
		}
		all.Runs = append(all.Runs, run)
	}
	all.Measured = all.findings(r.measures)
	return all, nil
}

// one has one variant do the work.
func (w *work) one(ctx context.Context, r row, v variant) (*report, error) {
	ctx, cancel := context.WithTimeout(ctx, benchWait)
	defer cancel()
	do := v.do
	if do == nil {
		do = loadServer
	}
	report, err := do(ctx, w, v)
	if err != nil {
		return nil, err
	}
	w.done++
	fmt.Fprintf(os.Stderr, "%3d of %d  %-9s %-18s %s\n", w.done, w.total, r.name, v.name, report.brief())
	return report, nil
}

// loadServer starts a server, loads it, and stops it.
func loadServer(ctx context.Context, w *work, v variant) (*report, error) {
	s, err := w.startServer(ctx, v.server)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if v.beside != nil {
		stop, err := v.beside(ctx, s)
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	return w.bench(ctx, s, v.flags)
}

// bench runs belfry bench against a server. That messages are lost is no error:
// it is in the report.
func (w *work) bench(ctx context.Context, s *server, flags []string) (*report, error) {
	flags = with(flags, "--server", s.url, "--pid", strconv.Itoa(s.cmd.Process.Pid), "--json")
	cmd := exec.CommandContext(ctx, filepath.Join(w.dir, "belfry"), with([]string{"bench"}, flags...)...)
	cmd.Env = environ()
	var out, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &told
	failed := cmd.Run()
	report := new(report)
	if err := json.Unmarshal(out.Bytes(), report); err != nil {
		return nil, fmt.Errorf("belfry bench: %w\n%s", failed, told.Bytes())
	}
	return report, nil
}
