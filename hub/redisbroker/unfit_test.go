package redisbroker_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// clusterOfOne is a Redis in cluster mode that has every slot.
func clusterOfOne(t *testing.T) *hubtest.RedisServer {
	t.Helper()
	r := hubtest.Redis(t, "--cluster-enabled", "yes")
	redisSays(t, r, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		return strings.Contains(redisSays(t, r, "CLUSTER", "INFO"), "cluster_state:ok")
	}, "the cluster is complete")
	return r
}

// loggedNode is a node whose log can be read, and whose presence is renewed eight
// times a second.
func loggedNode(t *testing.T, url string) (*hub.Hub, *hubtest.Log) {
	t.Helper()
	log := new(hubtest.Log)
	o := patient(url)
	o.PresenceTTL, o.Logger = time.Second, slog.New(slog.NewTextHandler(log, nil))
	h, _ := hubtest.Run(t, hub.Options{Broker: redisBroker(t, o)})
	return h, log
}

// wantNotReady waits until a node is not ready for a reason.
func wantNotReady(t *testing.T, h *hub.Hub, reason string) {
	t.Helper()
	var err error
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		err = h.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), reason)
	}, "the node says "+reason)
	if !errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("Ready = %v, want an ErrUnavailable", err)
	}
}

// wantLogged checks that the log says a thing once, with what mends it.
func wantLogged(t *testing.T, log *hubtest.Log, reason, mend string) {
	t.Helper()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.Contains(log.String(), reason) }, "the log says "+reason)
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, reason) && (!strings.Contains(line, "level=WARN") || !strings.Contains(line, mend)) {
			t.Errorf("the log says %s, want a warning with %q", line, mend)
		}
	}
	if n := strings.Count(log.String(), reason); n != 1 {
		t.Errorf("the log says %q %d times, want once:\n%s", reason, n, log)
	}
}

// On a Redis in cluster mode nobody would be present, and nobody would hear why. The
// node says so as soon as it is connected, and is not ready.
func TestClusterModeIsTold(t *testing.T) {
	t.Parallel()
	h, log := loggedNode(t, clusterOfOne(t).URL())
	wantNotReady(t, h, "unavailable: this Redis is in cluster mode") // not only that a script was refused
	wantLogged(t, log, "Redis is in cluster mode", "cluster-enabled no")
	// The script of the leases is refused all the time, which is nothing new.
	rec := hubtest.Listen(t, h, hub.DateChannel, "date")
	rec.Wait(t, 2)
	wantNotReady(t, h, "unavailable: this Redis is in cluster mode")
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want one:\n%s", n, log)
	}
}

// What a script touches of a channel without a position is in one slot, however the
// channel is called. The counter of all messages that have one is in another, so
// that none is accepted.
func TestChannelsInClusterMode(t *testing.T) {
	t.Parallel()
	b := redisBroker(t, patient(clusterOfOne(t).URL()))
	h, _ := hubtest.Run(t, hub.Options{Broker: b, Rules: hub.Rules{{Match: "kept", History: keptHistory}, {Match: "*"}}})
	wantNotReady(t, h, "cluster mode")
	wantAlive(t, h, "first", hubtest.Listen(t, h, "first", "first"))
	for _, name := range []string{"chat", "}", "}chat", "{}", "}{", "{}chat", "}{chat}", "{chat", "chat}", "ch}a{t", "7d"} {
		r := hubtest.Listen(t, h, name, name)
		hubtest.PublishWith(t, h, name, name, hub.PublishOptions{IdempotencyKey: "}{"})
		hubtest.PublishWith(t, h, name, "again", hub.PublishOptions{IdempotencyKey: "}{"})
		hubtest.Publish(t, h, name, "end")
		r.Want(t, name, "end")
	}
	if err := hubtest.TryPublish(h, "kept", "1", ""); !errors.Is(err, hub.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "CROSSSLOT") {
		t.Errorf("publish with a position: %v, want an ErrUnavailable that says why", err)
	}
}

// Rights that are missing for what a script does are told, with what Redis has said
// and what mends it, and so is another reason; when it is mended the node is ready.
func TestMissingRightsAreTold(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t, "--user", "bell", "on", ">s3cret", "~*", "&*", "+@all", "-zadd")
	h, log := loggedNode(t, "redis://bell:s3cret@"+r.Addr())
	wantNotReady(t, h, "zadd on belfry:leases")
	wantLogged(t, log, "zadd on belfry:vouched:nodes", "let the user of the URL run every command")
	redisSays(t, r, "ACL", "SETUSER", "bell", "+zadd", "-evalsha")
	wantNotReady(t, h, "NOPERM")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.Contains(log.String(), "NOPERM") }, "the new reason is told")
	redisSays(t, r, "ACL", "SETUSER", "bell", "+evalsha")
	waitReady(t, h)
	hubtest.Enter(t, h, "chat", hubtest.Client("anna"))
	hubtest.WantPresent(t, h, "chat", "anna", 1)
}

// Somebody has written to where the leases are: nobody can be present.
func TestForeignLeasesAreTold(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	redisSays(t, r, "SET", "belfry:leases", "x")
	h, log := loggedNode(t, r.URL())
	wantNotReady(t, h, "WRONGTYPE")
	wantLogged(t, log, "WRONGTYPE", "leases of the presence")
	redisSays(t, r, "DEL", "belfry:leases")
	waitReady(t, h)
}

// A node that may not ask which Redis it has cannot vouch for it. It says so, and goes
// on when it may.
func TestMissingRightToAskIsTold(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t, "--user", "bell", "on", ">s3cret", "~*", "&*", "+@all", "-info")
	h, log := loggedNode(t, "redis://bell:s3cret@"+r.Addr())
	wantLogged(t, log, "NOPERM", "let the user of the URL run every command")
	if h.Ready(t.Context()) == nil {
		t.Error("the node is ready")
	}
	redisSays(t, r, "ACL", "SETUSER", "bell", "+info")
	waitReady(t, h)
}

// A Redis that does not bound its memory, or forgets by itself, is warned of with the
// command that mends it, at each connection, and used.
func TestMemoryWithoutBoundIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, reason, mend string
		args               []string
	}{
		{"no bound", "maxmemory is 0", "redis-cli CONFIG SET maxmemory ", []string{"--maxmemory", "0"}},
		{"evicting", "maxmemory-policy is allkeys-lru", "redis-cli CONFIG SET maxmemory-policy noeviction", []string{"--maxmemory-policy", "allkeys-lru"}},
		{"evicting what expires", "maxmemory-policy is volatile-ttl", "redis-cli CONFIG SET maxmemory-policy noeviction", []string{"--maxmemory-policy", "volatile-ttl"}},
		{"bounded", "", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := hubtest.Redis(t, c.args...)
			h, log := loggedNode(t, r.URL())
			waitReady(t, h)
			if c.reason != "" {
				wantLogged(t, log, c.reason, c.mend)
			} else if strings.Contains(log.String(), "level=WARN") {
				t.Errorf("the log warns:\n%s", log)
			}
		})
	}
}
