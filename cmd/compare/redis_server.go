package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// redisServer is a redis-server process on a loopback address, with a directory
// for its data. It may be stopped and started again with the same data, and is for
// one goroutine.
type redisServer struct {
	addr string
	args []string
	cmd  *exec.Cmd // nil while it is stopped
}

// newRedis is a Redis with an empty directory below another, not started. It writes
// nothing into it unless more arguments say so.
func newRedis(below string, more ...string) (*redisServer, error) {
	dir, err := os.MkdirTemp(below, "redis-")
	if err != nil {
		return nil, err
	}
	args := []string{"--bind", "127.0.0.1", "--dir", dir, "--save", "", "--daemonize", "no"}
	r := &redisServer{args: with(args, more...)}
	r.addr, err = quietAddr()
	return r, err
}

// quietAddr is a loopback address whose port is below those that the system
// gives to outgoing connections, so that none takes it while Redis is away.
func quietAddr() (string, error) {
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.N(12_000)))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr, nil
		}
	}
	return "", errors.New("no free port from 20000 to 32000 for redis-server")
}

func (r *redisServer) url() string { return "redis://" + r.addr }

// start starts the process and waits until it answers PING, to the millisecond,
// because repairs are measured from there. When the context ends it is killed.
func (r *redisServer) start(ctx context.Context) error {
	_, port, _ := net.SplitHostPort(r.addr)
	cmd := exec.CommandContext(ctx, "redis-server", with(r.args, "--port", port)...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	r.cmd = cmd
	for end := time.Now().Add(startWait); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		if r.answers() {
			return nil
		}
	}
	r.stop()
	return fmt.Errorf("redis-server does not answer on %s within %v", r.addr, startWait)
}

// stop kills the process, which gets no time to write anything. It does nothing
// when there is none.
func (r *redisServer) stop() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait() // says that it was killed
	r.cmd = nil
}

// answers reports whether the process answers PING. Another Redis that has taken
// the port is not to be written to.
func (r *redisServer) answers() bool {
	c, err := dialRedis(r.addr)
	if err != nil {
		return false
	}
	defer c.Close()
	if answer, err := c.ask("PING"); err != nil || answer != "+PONG" {
		return false
	}
	about, err := c.ask("INFO server")
	return err == nil && strings.Contains(about, fmt.Sprintf("process_id:%d\r", r.cmd.Process.Pid))
}

var xrangeCalls = regexp.MustCompile(`cmdstat_xrange:calls=(\d+),`)

// reads is how often Redis was asked for the entries of a stream since it was
// started, by anybody.
func (r *redisServer) reads() (int, error) {
	c, err := dialRedis(r.addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	stats, err := c.ask("INFO commandstats")
	found := xrangeCalls.FindStringSubmatch(stats)
	if err != nil || found == nil {
		return 0, err // no call, no line
	}
	return strconv.Atoi(found[1])
}

// roundTrips measures a PING now and then until stop is called, which returns the
// median in microseconds.
func (r *redisServer) roundTrips(ctx context.Context) (stop func() (float64, error), err error) {
	c, err := dialRedis(r.addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var times []float64
	ended := make(chan error, 1)
	go func() { ended <- c.pings(ctx, &times) }()
	return func() (float64, error) {
		defer c.Close()
		cancel()
		if err := <-ended; err != nil {
			return 0, err
		}
		return middle(times), nil
	}, nil
}
