package hubtest

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisServer is a redis-server process of one test. Its methods are for the
// test's goroutine.
type RedisServer struct {
	t       testing.TB
	program string
	dir     string
	port    int
	args    []string
	replace []string      // arguments in place of the default ones
	process *os.Process   // nil while stopped
	ended   chan struct{} // closed when the process has ended
	output  *Log          // of the process
	started bool          // it has answered at this port
}

// Redis starts a redis-server on a free loopback port and waits until it
// answers. It has at most 1 GB, and keeps nothing on disk, unless told to by arguments
// of redis-server, which come after the default ones: "--appendonly", "yes". Files
// are in a directory of the test.
func Redis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	r := &RedisServer{t: t, program: Need(t, "redis-server"), dir: t.TempDir(), port: FreePort(t), args: args}
	t.Cleanup(r.Stop)
	r.Start()
	return r
}

// Sentinel starts a Sentinel that watches a Redis.
func Sentinel(t testing.TB, watched *RedisServer) *RedisServer {
	t.Helper()
	r := &RedisServer{t: t, program: Need(t, "redis-server"), dir: t.TempDir(), port: FreePort(t)}
	config := filepath.Join(r.dir, "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nsentinel monitor belfry 127.0.0.1 %d 1\n", r.port, r.dir, watched.port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.replace = []string{config, "--sentinel"}
	t.Cleanup(r.Stop)
	r.Start()
	return r
}

// Ports of servers are below those that systems give to connections that are made, so
// that none takes the port of a server which a test has stopped. Those of the bus of a
// Redis in cluster mode, which are 10,000 higher, are as well.
const firstPort, lastPort = 12_000, 22_000

// FreePort returns a loopback port that was free a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("of the ports from %d to %d none is free", firstPort, lastPort)
	return 0
}

// Addr returns host and port.
func (r *RedisServer) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// URL returns the server's URL, without password and database.
func (r *RedisServer) URL() string { return "redis://" + r.Addr() }

// Start starts the server on the same port as before, with more arguments for
// this time, and waits until it answers. It does nothing when the server runs.
func (r *RedisServer) Start(args ...string) {
	r.t.Helper()
	if r.process != nil {
		return
	}
	r.run(args)
	for deadline := time.Now().Add(Patience); !r.answers(); time.Sleep(5 * time.Millisecond) {
		switch {
		case r.hasEnded() && strings.Contains(r.output.String(), "Address already in use") && time.Now().Before(deadline):
			if !r.started {
				r.port = FreePort(r.t)
			}
			r.run(args)
		case r.hasEnded(), time.Now().After(deadline):
			r.Stop()
			r.t.Fatalf("redis-server does not answer on %s; it said:\n%s", r.Addr(), r.output.String())
		}
	}
	r.started = true
}

// run starts the process.
func (r *RedisServer) run(more []string) {
	r.t.Helper()
	args := []string{"--bind", "127.0.0.1", "--port", strconv.Itoa(r.port), "--dir", r.dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--maxmemory", "1gb"}
	if r.replace != nil {
		args = r.replace
	}
	c := exec.Command(r.program, slices.Concat(args, r.args, more)...)
	r.output = new(Log)
	c.Stdout, c.Stderr = r.output, r.output
	if err := c.Start(); err != nil {
		r.t.Fatalf("start redis-server: %v", err)
	}
	ended := make(chan struct{})
	go func() { // ends with the process, and Stop waits for it
		_ = c.Wait() // says that it was killed
		close(ended)
	}()
	r.process, r.ended = c.Process, ended
}

func (r *RedisServer) hasEnded() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// answers reports whether the server takes commands: this one, and no other that has
// its port. A server with a password answers that it wants it.
func (r *RedisServer) answers() bool {
	if r.replace == nil && !strings.Contains(r.output.String(), "Ready to accept connections") {
		return false
	}
	c, err := net.DialTimeout("tcp", r.Addr(), time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprint(c, "PING\r\n")
	line, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && (line == "+PONG\r\n" || strings.HasPrefix(line, "-NOAUTH"))
}

// Stop kills the server and waits until it is gone. It does nothing when the
// server does not run.
func (r *RedisServer) Stop() {
	if r.process == nil {
		return
	}
	_ = r.process.Kill()
	<-r.ended
	r.process = nil
}

// Copy keeps a copy of the files that the server has now, in a directory of the test,
// and returns where. One made in the middle of a write may lack its end, which Redis
// does without.
func (r *RedisServer) Copy() string {
	r.t.Helper()
	var err error
	for range 10 { // a file may have been a temporary one, and be gone
		to := r.t.TempDir()
		if err = os.CopyFS(to, os.DirFS(r.dir)); err == nil {
			return to
		}
	}
	r.t.Fatalf("copy what Redis has: %v", err)
	return ""
}

// PutBack replaces the files of a server that is stopped by a copy.
func (r *RedisServer) PutBack(from string) {
	r.t.Helper()
	r.Clear()
	if err := os.CopyFS(r.dir, os.DirFS(from)); err != nil {
		r.t.Fatalf("put a copy of Redis back: %v", err)
	}
}

// Clear removes the files of a server that is stopped.
func (r *RedisServer) Clear() {
	r.t.Helper()
	if err := os.RemoveAll(r.dir); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
}

// Follow makes the server a replica of another, and waits until it has what that has.
func (r *RedisServer) Follow(master *RedisServer) {
	r.t.Helper()
	master.ask("CONFIG SET repl-diskless-sync-delay 0")
	r.ask(fmt.Sprintf("REPLICAOF 127.0.0.1 %d", master.port))
	Eventually(r.t, Patience, func() bool { return strings.Contains(r.ask("INFO replication"), "master_link_status:up") }, "the replica follows")
}

// Promote makes a replica a master, which has what it has by now.
func (r *RedisServer) Promote() {
	r.t.Helper()
	r.ask("REPLICAOF NO ONE")
}

// ask sends a command, and returns the beginning of what comes.
func (r *RedisServer) ask(command string) string {
	r.t.Helper()
	c, err := net.DialTimeout("tcp", r.Addr(), Patience)
	if err != nil {
		r.t.Fatalf("ask Redis: %v", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(Patience))
	fmt.Fprintf(c, "%s\r\nQUIT\r\n", command)
	answer, err := io.ReadAll(c)
	if err != nil || strings.HasPrefix(string(answer), "-") {
		r.t.Fatalf("%s: %q, %v", command, answer, err)
	}
	return string(answer)
}

// Pause stops the server in its tracks (SIGSTOP): connections stay open and
// nobody answers from the moment that it returns.
func (r *RedisServer) Pause() {
	r.t.Helper()
	if err := pauseProcess(r.process); err != nil {
		r.t.Fatalf("pause redis-server: %v", err)
	}
	Eventually(r.t, Patience, func() bool { return isPaused(r.process) }, "redis-server has stopped")
}

// Resume lets a paused server go on.
func (r *RedisServer) Resume() {
	r.t.Helper()
	if err := resumeProcess(r.process); err != nil {
		r.t.Fatalf("resume redis-server: %v", err)
	}
}
