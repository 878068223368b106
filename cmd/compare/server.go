package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	// startWait is how long a server may take to be ready.
	startWait = 10 * time.Second
	// stopWait is how long it may take to stop by itself.
	stopWait = 6 * time.Second
	// apiKey is Belfry's in these runs; the others want none.
	apiKey = "compare-on-loopback-only"
)

// servers are the programs and their arguments. All take a free port. Belfry is
// the binary that has its turn.
var servers = map[string][]string{
	"belfry": {"belfry", "--addr", "127.0.0.1:0"},
	"bare":   {"reference", "--kind", "bare"},
	"melody": {"reference", "--kind", "melody"},
}

// buildAll builds what is run.
func buildAll(ctx context.Context, dir string) error {
	for _, name := range []string{"belfry", "reference"} {
		if err := goBuild(ctx, "", filepath.Join(dir, name), name); err != nil {
			return err
		}
	}
	return nil
}

// goBuild builds a command from the source in a folder; empty: the present one.
func goBuild(ctx context.Context, source, binary, name string) error {
	cmd := command(ctx, source, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "belfry/cmd/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s: %w", name, err)
	}
	return nil
}

// command is a program that is run in a folder, and complains in ours.
func command(ctx context.Context, folder, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stderr = folder, os.Stderr
	return cmd
}

// environ is this process's without what configures Belfry.
func environ() (kept []string) {
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "BELFRY_") {
			kept = append(kept, variable)
		}
	}
	return append(kept, "BELFRY_POLICY_ADDR=", "BELFRY_API_KEY="+apiKey)
}

// server is a running server.
type server struct {
	cmd  *exec.Cmd
	url  string
	quit context.CancelFunc
}

// startServer starts a server, with more arguments, and waits until it is ready.
// Its log is thrown away.
func (w *work) startServer(ctx context.Context, kind string, more ...string) (*server, error) {
	args := with(servers[kind], more...)
	program := filepath.Join(w.dir, args[0])
	if kind == "belfry" {
		program = w.belfry
	}
	ctx, quit := context.WithCancel(ctx)
	s := &server{cmd: exec.CommandContext(ctx, program, args[1:]...), quit: quit}
	s.cmd.Env = environ()
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(os.Interrupt) }
	s.cmd.WaitDelay = stopWait
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.wait(ctx, out); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// stop ends the server, the hard way if it does not go by itself.
func (s *server) stop() {
	s.quit()
	_ = s.cmd.Wait() // an interrupted process has failed
}

// kill ends the server without a word to its clients.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	s.stop()
}

var address = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// wait finds the address in what the server prints, and waits until it answers.
func (s *server) wait(ctx context.Context, out io.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	lines := bufio.NewScanner(out)
	for s.url == "" && lines.Scan() {
		if found := address.FindString(lines.Text()); found != "" {
			s.url = "http://" + found
		}
	}
	for s.url != "" && ctx.Err() == nil {
		if ready(ctx, s.url+"/readyz") {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not get ready within %v", s.cmd.Args[0], startWait)
}

func ready(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}
