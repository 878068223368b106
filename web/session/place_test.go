package session_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/session"
)

// crowd fills a registry.
type crowd struct {
	t        *testing.T
	registry *session.Registry
	log      strings.Builder
}

func newCrowd(t *testing.T, all, each int) *crowd {
	c := &crowd{t: t}
	c.registry = session.NewRegistry(session.Options{
		Logger: slog.New(slog.NewTextHandler(&c.log, nil)),
		Limits: session.Limits{Connections: all, PerAddress: each},
	})
	return c
}

// come has clients come from an address, each by a port of its own, until one is
// refused or all are there.
func (c *crowd) come(host string, n int) (places []session.Place, err error) {
	for port := range n {
		place, err := c.registry.Admit(access.Hello{Remote: fmt.Sprintf("%s:%d", host, 1000+port)})
		if err != nil {
			return places, err
		}
		places = append(places, place)
	}
	return places, nil
}

// wants has clients come, and wants so many let in and a refusal.
func (c *crowd) wants(host string, want int, kind fault.Kind, key string) []session.Place {
	c.t.Helper()
	places, err := c.come(host, want+1)
	if err == nil || len(places) != want || fault.From(err).Kind != kind || !strings.Contains(err.Error(), key) {
		c.t.Errorf("%s: %d came in, then %v; want %d, then %s", host, len(places), err, want, key)
	}
	return places
}

// One address has its share, whoever else is there.
func TestAddressesHaveShares(t *testing.T) {
	const each = "limits.connections_per_address"
	c := newCrowd(t, 100, 10)
	flood := c.wants("203.0.113.5", 10, fault.TooMany, each)
	c.wants("[2001:db8:1:2::7]", 10, fault.TooMany, each)
	c.wants("[2001:db8:1:2:3:4:5:6]", 0, fault.TooMany, each) // the same network
	c.wants("[2001:db8:1:3::7]", 10, fault.TooMany, each)
	c.wants("[::ffff:203.0.113.5]", 0, fault.TooMany, each) // the same address
	c.wants("203.0.113.6", 10, fault.TooMany, each)
	flood[0].Release()
	c.wants("203.0.113.5", 1, fault.TooMany, each)
	if n := strings.Count(c.log.String(), "a client is refused"); n == 0 {
		t.Errorf("nothing in the log:\n%s", &c.log)
	}
}

// All addresses together have a limit, and none is above it.
func TestClientsHaveALimit(t *testing.T) {
	c := newCrowd(t, 25, 10)
	c.wants("203.0.113.5", 10, fault.TooMany, "limits.connections_per_address")
	c.wants("203.0.113.6", 10, fault.TooMany, "limits.connections_per_address")
	last := c.wants("203.0.113.7", 5, fault.NotServing, "limits.connections (")
	c.wants("127.0.0.1", 0, fault.NotServing, "limits.connections (")
	last[0].Release()
	c.wants("203.0.113.8", 1, fault.NotServing, "limits.connections (")
}

// Everybody may come by a proxy, which leaves a tenth to those who do not.
func TestProxiesHaveALargeShare(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "[::1]", "10.1.2.3", "192.168.0.9", "172.17.0.1", "[fd00::1]", "[fe80::1%eth0]", "@"} {
		c := newCrowd(t, 100, 10)
		c.wants(host, 90, fault.TooMany, "nine tenths of limits.connections (")
		c.wants("203.0.113.5", 10, fault.NotServing, "limits.connections (")
	}
}
