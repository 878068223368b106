package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"belfry/hub/hubtest"
)

// lossConfig makes histories that hold every outage of the test, and one that
// holds none. Clients that do not read are soon too slow.
const lossConfig = `
channels:
  - {match: date, publish: [server]}
  - {match: "forgetful*", publish: [server], history: {size: 3}}
  - {match: "large*", publish: [server], history: {size: 600}}
  - {match: "*", publish: [server], history: {size: 10000}}
limits: {body: 64KiB, message: 16KiB, buffer: 64KiB}
`

const lossKey = "loss-key"

// frontsEach is how many proxies stand before one node, so that a part of its
// clients can be cut off.
const frontsEach = 4

// site is two nodes at one Redis, with proxies on every way, and one more Redis, which
// may take its place. It is for the test's goroutine, but for front.
type site struct {
	t      *testing.T
	config string // path
	redis  *hubtest.RedisServer
	spare  *hubtest.RedisServer // stopped, unless it is a replica
	places [2]*place
	stats  hubNumbers // of nodes that were told to stop
}

// place is where one node stands, while processes come and go.
type place struct {
	node   *node // nil while there is none
	redis  *hubtest.Proxy
	fronts [frontsEach]*hubtest.Proxy
}

// newSite starts everything. Redis writes each message to its disk before it
// says that it has it.
func newSite(t *testing.T) *site {
	s := &site{t: t, config: filepath.Join(t.TempDir(), "belfry.yaml")}
	if err := os.WriteFile(s.config, []byte(lossConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	// A copy is not made in the middle of a rewrite.
	args := []string{"--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"}
	s.redis, s.spare = hubtest.Redis(t, args...), hubtest.Redis(t, args...)
	s.spare.Stop()
	for i := range s.places {
		p := &place{redis: hubtest.NewProxy(t, s.redis.Addr())}
		for k := range p.fronts {
			p.fronts[k] = hubtest.NewProxy(t, "")
		}
		s.places[i] = p
		s.start(p)
	}
	for _, p := range s.places {
		p.node.waitFor("/readyz", 200)
	}
	return s
}

// start starts a node and lets clients in.
func (s *site) start(p *place) {
	s.t.Helper()
	environ := []string{"BELFRY_HTTP_ADDR=127.0.0.1:0", "BELFRY_POLICY_ADDR=", "BELFRY_API_KEY=" + lossKey,
		"BELFRY_REDIS_URL=redis://" + p.redis.Addr()}
	process := start(s.t, environ, "--config", s.config)
	p.node = &node{process, process.says(&process.out, `(http://127\.0\.0\.1:\d+)/socketexample`)}
	for _, f := range p.fronts {
		f.SetTarget(strings.TrimPrefix(p.node.URL, "http://"))
		f.Refuse(false)
	}
}

// kill ends a node without a word. The port may be another's from now on.
func (s *site) kill(p *place) {
	s.t.Helper()
	s.close(p)
	p.node.signal(syscall.SIGKILL)
	p.node.exit()
	s.bury(p)
}

// close keeps new clients away from a node that is going to end.
func (s *site) close(p *place) {
	s.t.Helper()
	select {
	case <-p.node.gone:
		s.t.Errorf("a node ended by itself; it said:\n%s", &p.node.err)
	default:
	}
	for _, f := range p.fronts {
		f.Refuse(true)
	}
}

// stop waits for a node that was told to stop, and keeps its numbers.
func (s *site) stop(p *place) {
	s.t.Helper()
	if code := p.node.exit(); code != 0 {
		s.t.Errorf("exit code %d; it said:\n%s", code, &p.node.err)
	}
	s.stats.read(p.node.err.String())
	s.bury(p)
}

// bury looks at what a node leaves behind.
func (s *site) bury(p *place) {
	s.t.Helper()
	if text := p.node.err.String(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic:") {
		s.t.Errorf("a node said:\n%s", text)
	}
	p.node = nil
}

// end stops the nodes in order, for their numbers.
func (s *site) end() {
	s.t.Helper()
	for _, p := range s.places {
		s.close(p)
		p.node.signal(syscall.SIGTERM)
	}
	for _, p := range s.places {
		s.stop(p)
	}
}

// front returns the way of a client to one of the nodes.
func (s *site) front(node, client int) serverURL {
	return serverURL("http://" + s.places[node].fronts[client%frontsEach].Addr())
}

// follow makes the spare Redis a replica, which has everything up to now.
func (s *site) follow() {
	s.t.Helper()
	s.spare.Clear()
	s.spare.Start()
	s.spare.Follow(s.redis)
	s.spare.Promote()
}

// moveToSpare has the nodes use the spare Redis, as when the other one is gone.
func (s *site) moveToSpare() {
	s.t.Helper()
	s.redis.Stop()
	s.redis, s.spare = s.spare, s.redis
	for _, p := range s.places {
		p.redis.SetTarget(s.redis.Addr())
		p.redis.Cut()
	}
}
