package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

const (
	// startWait is how long a server may take to be ready.
	startWait = 10 * time.Second
	// stopWait is how long it may take to stop by itself before it is killed. Belfry
	// itself gives its clients less.
	stopWait = 6 * time.Second
	// apiKey is Belfry's in these runs; the others want none. It is no secret: the
	// servers listen on loopback and live for seconds.
	apiKey = "compare-on-loopback-only"
)

// servers are the programs and their arguments. All take a free port, and print
// an address with it once they listen. Belfry is the binary that has its turn.
var servers = map[string][]string{
	"belfry":  {"belfry", "--addr", "127.0.0.1:0"},
	contained: {"belfry", "--addr", "127.0.0.1:0"},
	"bare":    {"reference", "--kind", "bare"},
	"melody":  {"reference", "--kind", "melody"},
}

// contained is Belfry with the memory of a small container, of 256 MiB: the collector
// knows of it, and the system gives it no more than that and the 64 MiB that a Go
// program sets aside and does not use.
const contained = "belfry in 256 MiB"

// inContainer runs a program with its arguments so that the system gives it no more data.
const inContainer = `ulimit -d 327680 && export GOMEMLIMIT=200MiB && exec "$0" "$@"`

// environ is this process's without what configures Belfry: whoever measures may have
// one of their own. Policy files have no port, of which two servers at a time would
// want the same.
func environ() (kept []string) {
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "BELFRY_") {
			kept = append(kept, variable)
		}
	}
	return append(kept, "BELFRY_POLICY_ADDR=", "BELFRY_API_KEY="+apiKey)
}

// server is a running server. Whoever has started it stops or kills it, once.
type server struct {
	cmd  *exec.Cmd
	url  string // http://host:port
	quit context.CancelFunc
}

// startServer starts a server, with more arguments, and waits until it is ready.
// Its log is thrown away. When the context ends, so does the server.
func (p *programs) startServer(ctx context.Context, kind string, more ...string) (*server, error) {
	args := with(servers[kind], more...)
	program := p.path(args[0])
	if args[0] == "belfry" {
		program, args = p.belfry, append(args, "--config", p.config)
	}
	if kind == contained {
		program, args = "sh", with([]string{"sh", "-c", inContainer, program}, args[1:]...)
	}
	ctx, quit := context.WithCancel(ctx)
	s := &server{cmd: exec.CommandContext(ctx, program, args[1:]...), quit: quit}
	s.cmd.Env = environ()
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(os.Interrupt) }
	s.cmd.WaitDelay = stopWait
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		quit()
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

// kill ends the server without a word to its clients, as a machine dies.
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

// ready reports whether a server says so; it is not ready either while nobody
// listens.
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
