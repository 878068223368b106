package redisbroker_test

import (
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// protected is what a Redis in protected mode says, to whoever is not of its machine.
const protected = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user.\r\n"

// saying is a server that says the same to whoever connects, and hangs up.
func saying(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(text))
			_ = c.Close()
		}
	}()
	return "redis://" + l.Addr().String()
}

// full is a Redis that has as many clients as it may.
func full(t *testing.T) string {
	t.Helper()
	r := hubtest.Redis(t)
	held, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close() })
	redisSays(t, r, "CONFIG", "SET", "maxclients", 1)
	return r.URL()
}

// tlsPort starts a Redis with TLS and returns its port and certificate.
func tlsPort(t *testing.T) (port, cert string) {
	t.Helper()
	cert, key := selfSigned(t)
	port = strconv.Itoa(hubtest.FreePort(t))
	hubtest.Redis(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no", "--tls-ca-cert-file", cert)
	return port, cert
}

// a Redis that says no to everybody who comes by an URL.
type refusingRedis struct {
	name   string
	url    func(*testing.T) string
	reason string // for publishers, and at /readyz
	lasts  bool
	log    string // the right or command, or what Redis says
	mend   string
}

func oneWith(args ...string) func(*testing.T) string {
	return func(t *testing.T) string { return hubtest.Redis(t, args...).URL() }
}

func userWith(user string, rights ...any) func(*testing.T) string {
	return func(t *testing.T) string {
		return addUser(t, hubtest.Redis(t), user, append([]any{"~*", "&*", "+@all"}, rights...)...)
	}
}

const (
	lacksRight = "Redis says NOPERM: its user lacks a right"
	noCommand  = "Redis does not know a command that Belfry needs"
	noTLS      = "there is no TLS with Redis as it is configured"
)

var sayingNo = []refusingRedis{
	{"cluster mode", func(t *testing.T) string { return clusterOfOne(t).URL() }, "Redis is in cluster mode", true, "cluster mode", "cluster-enabled no"},
	{"cluster without slots", oneWith("--cluster-enabled", "yes"), "Redis is in cluster mode", true, "cluster mode", "cluster-enabled no"},
	{"Sentinel", func(t *testing.T) string { return hubtest.Sentinel(t, hubtest.Redis(t)).URL() },
		"a Sentinel answers in place of Redis", true, "a Sentinel answers", "the master that the Sentinel watches"},
	{"replica", oneWith("--replicaof", "127.0.0.1", "1"), "Redis is read-only", false, "it is a replica", "lead to the master"},
	{"command not allowed", userWith("bell", "-xadd"), lacksRight, true, "it may not run xadd on belfry:{channel}:stream", "let the user of the URL run every command"},
	{"keys not allowed", userWith("bell", "resetkeys", "~other:*"), lacksRight, true, "it may not run get on belfry:once:", "on the keys and Pub/Sub channels that begin with the prefix"},
	{"channels not allowed", userWith("bell", "resetchannels"), lacksRight, true, "it may not run publish on belfry:{channel}", "on the keys and Pub/Sub channels that begin with the prefix"},
	{"command renamed", oneWith("--rename-command", "XADD", ""), noCommand, true, "it does not know xadd", "no command was renamed"},
	{"command of scripts renamed", oneWith("--rename-command", "EVALSHA", ""), noCommand, true, "unknown command", "no command was renamed"},
	{"INFO renamed", oneWith("--rename-command", "INFO", ""), noCommand, true, "unknown command", "no command was renamed"},
	{"no password", func(t *testing.T) string {
		return "redis://" + hubtest.Redis(t, "--requirepass", "s3cret").Addr()
	}, "Redis says NOAUTH: it wants a password", true, "NOAUTH", "the user and the password"},
	{"wrong password", func(t *testing.T) string {
		return "redis://:wr0ng@" + hubtest.Redis(t, "--requirepass", "s3cret").Addr()
	}, "Redis says WRONGPASS: it does not take the password", true, "WRONGPASS", "the user and the password"},
	{"user switched off", func(t *testing.T) string {
		return "redis://bell:s3cret@" + hubtest.Redis(t, "--user", "bell", "off", ">s3cret").Addr()
	}, "Redis says WRONGPASS: it does not take the password", true, "WRONGPASS", "the user and the password"},
	{"too many clients", full, "Redis has as many clients as it may", false, "max number of clients", ""},
	{"protected mode", func(t *testing.T) string { return saying(t, protected) }, "Redis is in protected mode", true, "DENIED", "requirepass"},
	{"TLS to a plain port", func(t *testing.T) string { return "rediss://" + hubtest.Redis(t).Addr() }, noTLS, true, "TLS: ", "redis:// is for a port without TLS"},
	{"plain to a port with TLS", func(t *testing.T) string { port, _ := tlsPort(t); return "redis://127.0.0.1:" + port },
		"what is at the address of Redis hangs up", false, "hangs up at the first command", "rediss:// for one with"},
	{"unknown CA", func(t *testing.T) string { port, _ := tlsPort(t); return "rediss://127.0.0.1:" + port },
		noTLS, true, "unknown authority", "redis.ca has to name"},
}

// A Redis that answers, but says no, from the start: nothing was done, with the reason,
// and trying again is offered only where it can help. The node is not ready for the
// same reason, and warns once.
func TestRedisSaysNo(t *testing.T) {
	t.Parallel()
	for _, c := range sayingNo {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := c.url(t)
			var log hubtest.Log
			b := redisBroker(t, redisbroker.Options{URL: url, PresenceTTL: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			b.SetPublishWait(hubtest.Patience)
			h, _ := hubtest.Run(t, hub.Options{Broker: b, Rules: hub.Rules{{Match: "plain"}, keepingRule}})
			c.wantRefused(t, h)
			c.wantTold(t, h, &log)
		})
	}
}

// wantRefused publishes what is kept, and what is not where that needs the same.
func (c refusingRedis) wantRefused(t *testing.T, h *hub.Hub) {
	t.Helper()
	for _, channel := range []string{"kept", "plain"} {
		err := hubtest.TryPublish(h, channel, "x", "k")
		var refused *hub.RefusedError
		if c.mend == "cluster-enabled no" && channel == "plain" && err == nil {
			continue // one that has every slot can do that
		}
		if !errors.As(err, &refused) || refused.Reason != c.reason || refused.Lasts != c.lasts || errors.Is(err, hub.ErrUnanswered) {
			t.Errorf("publish to %s: %v, want that nothing was done, with the reason %q; lasts: %t", channel, err, c.reason, c.lasts)
		}
	}
}

// wantTold waits until the node says why it is not ready.
func (c refusingRedis) wantTold(t *testing.T, h *hub.Hub, log *hubtest.Log) {
	t.Helper()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		var refused *hub.RefusedError
		return errors.As(h.Ready(t.Context()), &refused) && strings.HasSuffix(refused.Reason, c.reason)
	}, "the node is not ready: "+c.reason)
	hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.Contains(log.String(), "level=WARN") }, "a warning")
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want one:\n%s", n, log)
	}
	for _, want := range []string{c.log, c.mend} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log says\n%s\nwant %q", log, want)
		}
	}
}

// A Redis that becomes a replica takes what needs no position, and brings it to nobody
// who listens elsewhere. The publisher is not told that all is well, be it before the
// node has noticed.
func TestReplicaTakesNothing(t *testing.T) {
	t.Parallel()
	r, other := hubtest.Redis(t), hubtest.Redis(t)
	h := redisHubAt(t, r.URL(), hub.Rules{{Match: "plain"}, keepingRule})
	hubtest.Publish(t, h, "plain", "1")
	r.Follow(other)
	for range 3 {
		for _, channel := range []string{"plain", "kept"} {
			if err := hubtest.TryPublish(h, channel, "x", ""); !errors.Is(err, hub.ErrUnavailable) {
				t.Errorf("publish to %s: %v, want an ErrUnavailable", channel, err)
			}
		}
	}
	r.Promote()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return hubtest.TryPublish(h, "plain", "2", "") == nil }, "it goes on")
}
