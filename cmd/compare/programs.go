package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// programs are the binaries of a run, and where they may leave files. It does not
// change: when an older Belfry is to serve, or one with users, a copy with that one is
// passed instead.
type programs struct {
	dir    string // of what was built here, and of data; gone with the run
	belfry string // the binary that serves: this build's, or an older one
	config string // the file with its configuration
}

// configFile has the rules of channels: those that begin with chat remember, as
// rows with many of them need it.
const (
	configFile = "belfry.yaml"
	config     = `channels:
  - {match: date, publish: [server], history: {size: 60, ttl: 1m}}
  - {match: "chat*", publish: [server, client], history: {size: 100, ttl: 24h}, presence: true}
  - {match: "*", publish: [server]}
`
)

// buildPrograms builds Belfry and the yardsticks from the present folder.
func buildPrograms(ctx context.Context, dir string) (*programs, error) {
	p := &programs{dir: dir, config: filepath.Join(dir, configFile)}
	if err := os.WriteFile(p.config, []byte(config), 0o600); err != nil {
		return nil, err
	}
	for _, name := range []string{"belfry", "reference"} {
		if err := goBuild(ctx, "", p.path(name), name); err != nil {
			return nil, err
		}
	}
	p.belfry = p.path("belfry")
	return p, nil
}

// path is where a program is that was built from the present folder. The load always
// comes from such a one, so that an older server has the same load.
func (p *programs) path(name string) string { return filepath.Join(p.dir, name) }

// goBuild builds a command of the module in a folder, as make build does; an
// empty folder is the present one.
func goBuild(ctx context.Context, source, binary, name string) error {
	cmd := command(ctx, source, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "belfry/cmd/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s: %w", name, err)
	}
	return nil
}

// command is a program that is run in a folder and complains on standard error.
func command(ctx context.Context, folder, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stderr = folder, os.Stderr
	return cmd
}
