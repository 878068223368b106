package main

import (
	"net/http"
	"strings"
	"testing"

	"belfry/hub/hubtest"
)

// TestTwoNodes publishes to one node of two and listens at the other. Redis has
// a password, which nobody may see.
func TestTwoNodes(t *testing.T) {
	const password, key = "hush-hush", "shared-key"
	redis := hubtest.Redis(t, "--requirepass", password)
	environ := []string{"BELFRY_REDIS_URL=redis://:" + password + "@" + redis.Addr(), "BELFRY_API_KEY=" + key}
	a, b := serve(t, environ...), serve(t, environ...)
	a.waitFor("/readyz", http.StatusOK)
	b.waitFor("/readyz", http.StatusOK)
	subscriber := start(t, nil, "subscribe", "--server", b.URL, "--count", "1", "news")
	subscriber.says(&subscriber.err, "subscribed to news")
	publisher := start(t, []string{"BELFRY_API_KEY=" + key}, "publish", "--server", a.URL, "news", "from a to b")
	if code := publisher.exit(); code != 0 {
		t.Errorf("publish: exit code %d: %s", code, &publisher.err)
	}
	if code := subscriber.exit(); code != 0 || !strings.HasSuffix(subscriber.out.String(), "  news  from a to b\n") {
		t.Errorf("subscribe: exit code %d, heard %q", code, &subscriber.out)
	}
	a.end()
	b.end()
	for _, p := range []*process{a.process, b.process, publisher, subscriber} {
		if all := p.both(); strings.Contains(all, password) || strings.Contains(all, key) {
			t.Errorf("%q shows a secret:\n%s", p.cmd.Args[1:], all)
		}
	}
}

func TestWrongRedisPasswordIsNotShown(t *testing.T) {
	redis := hubtest.Redis(t, "--requirepass", "right")
	n := serve(t, "BELFRY_REDIS_URL=redis://:hush-hush@"+redis.Addr())
	n.waitFor("/readyz", http.StatusServiceUnavailable)
	n.says(&n.err, "level=WARN")
	n.end()
	if all := n.both(); strings.Contains(all, "hush-hush") {
		t.Errorf("the password is shown:\n%s", all)
	}
}

// TestRedisComesLate starts a node before its Redis.
func TestRedisComesLate(t *testing.T) {
	redis := hubtest.Redis(t)
	redis.Stop()
	n := serve(t, "BELFRY_REDIS_URL="+redis.URL(), "BELFRY_API_KEY=k")
	n.waitFor("/healthz", http.StatusOK)
	if status := n.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d without Redis, want 503", status)
	}
	ready := start(t, nil, "health", "--ready", "--server", n.URL)
	if code := ready.exit(); code != 1 || !strings.Contains(ready.err.String(), "broker is away") {
		t.Errorf("health --ready: exit code %d, says %q", code, &ready.err)
	}
	publish := func() (int, string) {
		p := start(t, []string{"BELFRY_API_KEY=k", "BELFRY_SERVER=" + n.URL}, "publish", "news", "hi")
		return p.exit(), p.both()
	}
	if code, text := publish(); code != 1 || !strings.Contains(text, "nothing was done, try again") {
		t.Errorf("publish without Redis: exit code %d, says %q", code, text)
	}
	redis.Start()
	n.waitFor("/readyz", http.StatusOK)
	if code, text := publish(); code != 0 {
		t.Errorf("publish with Redis: exit code %d, says %q", code, text)
	}
	for line := range strings.Lines(n.err.String()) {
		if !strings.HasPrefix(line, "time=") {
			t.Errorf("in the log stands %q", line)
		}
	}
}
