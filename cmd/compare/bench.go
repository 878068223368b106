package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
)

// loadServer starts a server, loads it with belfry bench, and stops it.
func loadServer(ctx context.Context, p *programs, v variant) (*report, error) {
	s, err := p.startServer(ctx, v.server)
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
	return p.bench(ctx, s, v.flags)
}

// bench runs belfry bench against a server. That messages are lost, and that it
// exits with 1 for it, is no error: it is in the report. An error is a report that
// cannot be read, and has what the command complained of.
func (p *programs) bench(ctx context.Context, s *server, flags []string) (*report, error) {
	flags = with(flags, "--server", s.url, "--pid", strconv.Itoa(s.cmd.Process.Pid), "--json")
	cmd := exec.CommandContext(ctx, p.path("belfry"), with([]string{"bench"}, flags...)...)
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
