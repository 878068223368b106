package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"belfry/hub/hubtest"
)

// TestRedisServer counts reads of streams, and finds the data again after the process
// was killed.
func TestRedisServer(t *testing.T) {
	t.Parallel()
	hubtest.Need(t, "redis-server")
	r, err := newRedis(t.TempDir(), "--appendonly", "yes", "--appendfsync", "no")
	if err != nil {
		t.Fatal(err)
	}
	mustStart(t, r)
	wantAnswers(t, r, [][2]string{{"PING", "+PONG"}, {"SET k value", "+OK"}, {"XRANGE s - +", "*0"}, {"GET none", "$-1"}, {"NONSENSE", "-ERR"}})
	if n, err := r.reads(); n != 1 || err != nil {
		t.Errorf("%d reads, %v, want 1", n, err)
	}
	r.stop()
	mustStart(t, r)
	wantAnswers(t, r, [][2]string{{"GET k", "value"}})
	if n, err := r.reads(); n != 0 || err != nil {
		t.Errorf("%d reads, %v, want none", n, err)
	}
	other := &redisServer{addr: r.addr, cmd: &exec.Cmd{Process: &os.Process{Pid: 1}}}
	if other.answers() {
		t.Error("another process's Redis is taken for its own")
	}
	r.stop()
	r.stop()
	if _, err := r.reads(); err == nil {
		t.Error("a stopped Redis answers")
	}
}

// TestGate lets nothing through while it is shut.
func TestGate(t *testing.T) {
	t.Parallel()
	hubtest.Need(t, "redis-server")
	r, err := newRedis(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mustStart(t, r)
	g, err := openGate(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	ask := func() error {
		c, err := dialRedis(g.listener.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.ask("PING")
		return err
	}
	kept, err := dialRedis(g.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if _, err := kept.ask("PING"); err != nil || ask() != nil {
		t.Fatalf("open: %v, %v", err, ask())
	}
	g.shut()
	if _, err := kept.ask("PING"); err == nil || ask() == nil {
		t.Error("it is shut, and Redis answers")
	}
	g.open()
	if err := ask(); err != nil {
		t.Errorf("open again: %v", err)
	}
}

func mustStart(t *testing.T, r *redisServer) {
	t.Helper()
	t.Cleanup(r.stop)
	if err := r.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func wantAnswers(t *testing.T, r *redisServer, pairs [][2]string) {
	t.Helper()
	c, err := dialRedis(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, p := range pairs {
		if got, err := c.ask(p[0]); err != nil || !strings.HasPrefix(got, p[1]) {
			t.Errorf("%s: %q, %v, want %q", p[0], got, err, p[1])
		}
	}
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	hubtest.Need(t, "redis-server")
	r, err := newRedis(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mustStart(t, r)
	stop, err := r.roundTrips(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if us, err := stop(); us <= 0 || us > 1e6 || err != nil {
		t.Errorf("%v µs, %v", us, err)
	}
	r.stop()
	if _, err := r.roundTrips(t.Context()); err == nil {
		t.Error("round trips to a Redis that is gone")
	}
}
