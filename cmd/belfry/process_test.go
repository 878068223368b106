package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"belfry/hub/hubtest"
)

// asProgram is the environment variable that makes the test binary be belfry,
// so that processes are checked for races too and nothing is built twice.
const asProgram = "BELFRY_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" {
		main()
	}
	// What kong reads by itself, and whoever runs the tests may have set.
	os.Unsetenv("BELFRY_SERVER")
	os.Unsetenv("BELFRY_API_KEY")
	hubtest.Main(m)
}

// process is belfry running as a process of its own.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err output
	gone     chan struct{} // closed when it has ended
}

// output keeps what a process writes.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs belfry with arguments, and with these variables in place of all
// that begin with BELFRY_. What runs when the test ends is told to stop, and
// has to obey.
func start(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	p := prepare(t, environ, args...)
	p.launch()
	return p
}

// prepare is start but for the starting.
func prepare(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), gone: make(chan struct{})}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BELFRY_") {
			p.cmd.Env = append(p.cmd.Env, v)
		}
	}
	// The race detector would sleep for a second at each exit.
	p.cmd.Env = append(append(p.cmd.Env, asProgram+"=1", "GORACE=atexit_sleep_ms=10"), environ...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	return p
}

func (p *process) launch() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.gone) }() // ends with the process; cleanup waits
	p.t.Cleanup(p.end)
}

func (p *process) end() {
	select {
	case <-p.gone:
		return
	default:
	}
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		p.t.Errorf("exit code %d at the end; it said:\n%s", code, &p.err)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the process and returns its exit code, -1 for a signal. One
// that does not end is killed.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.gone:
	case <-time.After(hubtest.Patience):
		_ = p.cmd.Process.Kill()
		<-p.gone
		p.t.Fatalf("%q did not end; it said:\n%s", p.cmd.Args[1:], &p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// says waits until what the process wrote matches, and returns the first group.
func (p *process) says(o *output, pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(hubtest.Patience); ; time.Sleep(5 * time.Millisecond) {
		if found := re.FindStringSubmatch(o.String()); found != nil {
			return found[len(found)-1]
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%q never said %s; standard output:\n%s\nstandard error:\n%s", p.cmd.Args[1:], pattern, &p.out, &p.err)
		}
	}
}

// both is all that the process wrote.
func (p *process) both() string { return p.out.String() + p.err.String() }

// node is a serving process.
type node struct {
	*process
	URL string // http://127.0.0.1:port
}

// serve starts a server on free ports and waits until it listens.
func serve(t *testing.T, environ ...string) *node {
	t.Helper()
	environ = append([]string{"BELFRY_HTTP_ADDR=127.0.0.1:0", "BELFRY_POLICY_ADDR=127.0.0.1:0"}, environ...)
	p := start(t, environ)
	return &node{p, p.says(&p.out, `(http://127\.0\.0\.1:\d+)/socketexample`)}
}

// get returns the status of a path, 0 when there is no answer.
func (n *node) get(path string) int {
	n.t.Helper()
	client := http.Client{Timeout: hubtest.Patience}
	defer client.CloseIdleConnections()
	response, err := client.Get(n.URL + path)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

// waitFor waits until a path has a status.
func (n *node) waitFor(path string, status int) {
	n.t.Helper()
	hubtest.Eventually(n.t, hubtest.Patience, func() bool { return n.get(path) == status }, fmt.Sprintf("%s answers %d", path, status))
}

// quietAddr is a loopback address that nobody listens on. Its port is below
// those that the system gives to outgoing connections, so that none takes it.
func quietAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.N(12_000)))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port from 20000 to 32000")
	return ""
}

// nowhere is the address of a server that is not there.
func nowhere(t *testing.T) string {
	t.Helper()
	return "http://" + quietAddr(t)
}
