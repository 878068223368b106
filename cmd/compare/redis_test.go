package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"belfry/hub/hubtest"
)

// TestRedisServer counts reads of streams, and finds the data again at another
// address after the process was killed.
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
	other, err := r.elsewhere()
	if err != nil {
		t.Fatal(err)
	}
	mustStart(t, other)
	wantAnswers(t, other, [][2]string{{"GET k", "value"}})
	if n, err := other.reads(); n != 0 || err != nil {
		t.Errorf("%d reads, %v, want none", n, err)
	}
	third := &redisServer{addr: other.addr, cmd: &exec.Cmd{Process: &os.Process{Pid: 1}}}
	if third.answers() {
		t.Error("another process's Redis is taken for its own")
	}
	other.stop()
	other.stop()
	if _, err := other.reads(); err == nil {
		t.Error("a stopped Redis answers")
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
